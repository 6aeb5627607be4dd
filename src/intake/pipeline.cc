#include "intake/pipeline.h"

#include "base/log.h"
#include "intake/checks.h"
#include "intake/fixups.h"
#include "intake/limit_notice.h"
#include "intake/limited_sender.h"
#include "intake/trace.h"
#include "smtp/ascii.h"

#include "scan/edits.h"
#include <algorithm>

namespace postern::intake {
namespace {

QueueId new_id(const Clock& clock) { return QueueId{make_id(clock.now().time_since_epoch().count())}; }

std::string domain_of(const std::string& address) {
  std::string domain = address.substr(address.rfind('@') + 1);
  for (char& c : domain) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return domain;
}

}  // namespace

IncomingMessage::IncomingMessage(net::Loop& loop, const Services& services, SubmissionFacts facts)
    : loop_(loop),
      services_(services),
      options_(services.options.now()),
      facts_(std::move(facts)),
      id_(new_id(services.clock)) {}

/// THE list: what happens to a message's header, in this order.
std::optional<Refusal> IncomingMessage::process_header() {
  Result<mail::Header> parsed = mail::Header::parse(header_);
  if (!parsed) return Refusal{Refusal::Why::BadContent, parsed.error().detail};
  mail::Header header = *std::move(parsed);
  const HeaderOctets allowed{facts_.envelope.params.smtputf8, options_->eight_bit_headers};
  if (auto refusal = check_octets(header, allowed)) return refusal;  // RFC 6532 §3
  if (auto refusal = check_field_counts(header)) return refusal;     // RFC 5322 §3.6
  if (options_->check_addresses) {
    if (auto refusal = check_addresses(header)) return refusal;  // RFC 6409 §5.1
  }
  if (auto refusal = check_hops(header, options_->max_hops)) return refusal;  // RFC 5321 §6.3
  if (auto refusal = check_rights(header)) return refusal;                    // RFC 6409 §6.1
  if (options_->remove_bcc) remove_blind_copies(header);                      // RFC 5321 §7.2
  remove_private_fields(header, services_.hostname);                          // RFC 5321 §4.4, RFC 8601 §5
  if (options_->add_sender) set_sender(header, facts_.account.address);       // RFC 6409 §8.1
  const TimePoint now = services_.clock.now();
  fix_date(header, now);                                                 // RFC 6409 §8.2
  fix_message_id(header, id_, services_.hostname);                       // RFC 6409 §8.3
  header.prepend(received_field(facts_, id_, services_.hostname, now));  // RFC 5321 §4.4
  const mail::HeaderField* type = header.find("Content-Type");
  parts_.emplace(type != nullptr ? type->value() : "", options_->max_mime_depth);
  header_ = header.octets();
  return std::nullopt;
}

std::optional<Refusal> IncomingMessage::check_rights(const mail::Header& header) {
  const Result<std::vector<mail::Mailbox>> from = mail::parse_address_list(header.find("From")->value());
  if (!from || from->empty())
    return Refusal{Refusal::Why::BadContent, "the From field holds no valid address"};
  if (from->size() > 1 && header.count("Sender") == 0) {
    return Refusal{Refusal::Why::BadContent,
                   "several addresses in From need a Sender field"};  // RFC 5322 §3.6.2
  }
  for (const mail::Mailbox& box : *from) {
    if (!services_.directory.may_send_as(facts_.account, box)) {
      return Refusal{Refusal::Why::NotYourFrom, facts_.account.address + " may not send as " + box.text()};
    }
  }
  if (auto refusal = check_sender_rights(header)) return refusal;
  const Result<mail::Mailbox> author = accounts::normal(from->front());
  signing_domain_ = author ? author->domain : domain_of(from->front().text());  // RFC 8616 §4: A-labels
  if (options_->signing == Signing::Ours && !services_.directory.domain(signing_domain_)) {
    return Refusal{Refusal::Why::NoSigningKey, "no DKIM key for " + signing_domain_};
  }
  return std::nullopt;
}

// Readers show Sender beside From ("on behalf of"): it must be the account's too, unless we write it ourselves.
std::optional<Refusal> IncomingMessage::check_sender_rights(const mail::Header& header) const {
  const mail::HeaderField* field = header.find("Sender");
  if (field == nullptr || options_->add_sender) return std::nullopt;
  const Result<std::vector<mail::Mailbox>> sender = mail::parse_address_list(field->value());
  if (!sender || sender->size() != 1)
    return Refusal{Refusal::Why::BadContent, "the Sender field does not hold one valid address"};
  if (services_.directory.may_send_as(facts_.account, sender->front())) return std::nullopt;
  return Refusal{Refusal::Why::NotYourFrom, facts_.account.address + " may not send as " +
                                                sender->front().text() + ", which is in its Sender field"};
}

net::Task<> IncomingMessage::store(std::string_view content) {
  if (spool_) {
    if (const Result<> kept = spool_->append(content); !kept)
      refusal_ = Refusal{Refusal::Why::StoreDown, kept.error().detail};
    co_return;
  }
  const Result<> stored = co_await draft_->append(content);
  if (!stored) refusal_ = Refusal{Refusal::Why::StoreDown, stored.error().detail};
}

net::Task<> IncomingMessage::begin_body() {
  in_body_ = true;
  refusal_ = process_header();
  if (refusal_) co_return;
  eight_bit_ = eight_bit_ || smtp::has_eight_bit(header_);
  if (services_.scanner != nullptr) scanner_ = *services_.scanner->now();
  if (scanner_) {
    spool_ = scanner_->spool();
    co_return;  // the header stays until ask_scanners()
  }
  draft_ = services_.queue.begin(loop_, id_);
  header_ += "\r\n";
  co_await store(header_);
  std::string().swap(header_);
}

net::Task<> IncomingMessage::feed(std::string_view content) {
  size_ += content.size();
  if (refusal_ || content.empty()) co_return;
  if (!in_body_) {
    // The empty line may be cut anywhere: look again from three octets back.
    const std::size_t from = header_.size() < 3 ? 0 : header_.size() - 3;
    const std::size_t before = header_.size();
    header_ += content;
    const bool no_header = header_.starts_with("\r\n");
    const std::size_t empty_line = no_header ? 0 : header_.find("\r\n\r\n", from);
    const bool ended = empty_line != std::string::npos;
    // Before its end is seen, the last octet may already belong to the empty line.
    const std::size_t header_size = no_header ? 0 : ended ? empty_line + 2 : header_.size() - 1;
    if (header_size > options_->max_header.count) {
      refusal_ = Refusal{Refusal::Why::HeaderTooLarge, "the header is too large"};
      co_return;
    }
    if (!ended) co_return;
    content.remove_prefix(header_size + 2 - before);
    header_.resize(header_size);
    co_await begin_body();
    if (refusal_) co_return;
  }
  eight_bit_ = eight_bit_ || smtp::has_eight_bit(content);
  parts_->feed(content);
  if (parts_->deepest() > options_->max_mime_depth) {
    refusal_ = Refusal{Refusal::Why::BadContent, "its MIME parts nest too deep"};
    co_return;
  }
  co_await store(content);
}

// RFC 6531 §3.4: without non-ASCII in envelope or content the next hop need not know the extension. Which part
// of a MIME body is a header is not looked at, so 8-bit content anywhere counts.
bool IncomingMessage::needs_smtputf8() const {
  if (!facts_.envelope.params.smtputf8) return false;
  const std::vector<smtp::Recipient>& to = facts_.envelope.recipients;
  return eight_bit_ || smtp::has_eight_bit(facts_.envelope.reverse_path) ||
         std::any_of(to.begin(), to.end(),
                     [](const smtp::Recipient& r) { return smtp::has_eight_bit(r.address); });
}

// RFC 4865: mail that waits takes room for as long as its sender says, so there is only so much of it. Sessions that
// finish together may each still find room.
net::Task<std::optional<Refusal>> IncomingMessage::check_scheduled() {
  if (!facts_.envelope.params.handling.hold) co_return std::nullopt;
  const queue::Filter mine{.account = facts_.account.address,
                           .scheduled_after = services_.clock.now(),
                           .limit = options_->max_scheduled};
  const Result<queue::Operated> found = co_await services_.queue.count(loop_, mine);
  if (!found) co_return Refusal{Refusal::Why::StoreDown, found.error().detail};
  if (found->messages < options_->max_scheduled) co_return std::nullopt;
  co_return Refusal{
      Refusal::Why::OverLimit,
      std::to_string(found->messages) + " messages of this account wait for their time (FUTURERELEASE)"};
}

net::Task<Accepted> IncomingMessage::finish() {
  // A message may be a header only, without the empty line (RFC 5322 §2.1).
  if (!in_body_ && !refusal_) co_await begin_body();
  if (refusal_) co_return *std::move(refusal_);

  if (spool_) {
    co_await ask_scanners();
    if (refusal_) co_return *std::move(refusal_);
  }
  std::optional<Refusal> scheduled = co_await check_scheduled();
  if (scheduled) co_return *std::move(scheduled);

  // Asked again at the last moment: a suspension during a long upload, or while scanners think, counts.
  const accounts::Standing standing = services_.directory.standing(facts_.account);
  if (standing == accounts::Standing::Unknown)
    co_return Refusal{Refusal::Why::StoreDown, to_string(standing)};
  if (standing != accounts::Standing::Good) co_return Refusal{Refusal::Why::Suspended, to_string(standing)};
  if (std::optional<Refusal> refusal = take_from_limits()) co_return *std::move(refusal);
  std::uint32_t novelty = 0;
  std::optional<Refusal> held = co_await ask_watch(novelty);
  if (held) {
    services_.limits.give_back(sender_, tally_);
    co_return *std::move(held);
  }

  const TimePoint accepted_at = services_.clock.now();
  queue::NewMessage message{.id = id_,
                            .account = facts_.account.id,
                            .account_name = facts_.account.address,
                            .session = facts_.session,
                            .envelope = facts_.envelope,
                            .signing_domain = signing_domain_,
                            .accepted_at = accepted_at,
                            .eight_bit = eight_bit_,
                            .smtputf8 = needs_smtputf8(),
                            .binary = binary_,
                            .client = facts_.client,
                            .novelty = novelty};
  Result<queue::Receipt> receipt = co_await draft_->commit(std::move(message));
  if (!receipt) {
    services_.limits.give_back(sender_, tally_);
    co_return Refusal{Refusal::Why::StoreDown, receipt.error().detail};
  }
  record_accepted(accepted_at);
  co_return *receipt;
}

/// Last of all judgements: what is refused for another reason is not part of the account's habit.
net::Task<std::optional<Refusal>> IncomingMessage::ask_watch(std::uint32_t& novelty) {
  if (services_.watch == nullptr) co_return std::nullopt;
  using accounts::AccountClass;
  const AccountClass kind = facts_.account.kind;
  const guard::SenderClass stated = kind == AccountClass::App    ? guard::SenderClass::App
                                    : kind == AccountClass::Bulk ? guard::SenderClass::Bulk
                                                                 : guard::SenderClass::Person;
  const std::vector<smtp::Recipient>& to = facts_.envelope.recipients;
  const guard::Judgement judged = services_.watch->judge({facts_.account.address, stated, facts_.client, to});
  novelty = to.empty() ? 0 : static_cast<std::uint32_t>(100 * judged.unseen / to.size());
  if (judged.action != guard::Action::Hold && judged.action != guard::Action::Held) co_return std::nullopt;
  if (services_.watch->options()->new_mail == guard::NewMail::Refuse) {
    record("refused on hold", services_.clock.now());
    // The reasons are for the operator and the owner: who uses a stolen account need not know them.
    co_return Refusal{Refusal::Why::Held, facts_.account.address};
  }
  const Result<> frozen = co_await freeze(judged);
  if (!frozen) co_return Refusal{Refusal::Why::StoreDown, frozen.error().detail};
  co_return std::nullopt;
}

/// Before the commit: a message of a held account must find its account frozen, or it would leave at once.
net::Task<Result<>> IncomingMessage::freeze(const guard::Judgement& judged) {
  const AccountId id = facts_.account.id;
  if (services_.queue.account_held(id)) co_return Result<>{};
  const std::vector<std::string> reasons = guard::in_words(judged.evidences);
  queue::AccountHold hold{id, facts_.account.address, services_.clock.now(), guard::frozen_because(reasons)};
  const Result<> held = co_await services_.queue.hold_account(loop_, std::move(hold));
  // An operator may have released the account in between.
  if (!held || services_.watch->is_held(facts_.account.address)) co_return held;
  const Result<> released = co_await services_.queue.release_account(loop_, id);
  co_return released;
}

/// Uses up what the message needs of all limits, or says which has no room. A limit that paces mail makes it wait in
/// the queue.
std::optional<Refusal> IncomingMessage::take_from_limits() {
  sender_ = limited_sender(services_.directory, facts_.account, facts_.client);
  std::vector<std::string> external;
  for (const smtp::Recipient& recipient : facts_.envelope.recipients) {
    if (services_.directory.is_ours(recipient.domain)) continue;
    services_.limits.count(sender_, recipient.address, tally_);
    external.push_back(recipient.address);
  }
  const guard::Limits::Taken taken = services_.limits.take(sender_, tally_, external);
  const guard::Verdict& verdict = taken.verdict;
  const std::string reason = with_reference(verdict.reason, facts_.session);
  if (!verdict.accepted)
    return Refusal{verdict.permanent ? Refusal::Why::OverLimitForGood : Refusal::Why::OverLimit, reason};
  if (verdict.not_before) {
    note_ = "waits: " + reason;
    std::optional<smtp::Hold>& hold = facts_.envelope.params.handling.hold;
    const TimePoint now = services_.clock.now();
    if (!hold || smtp::end_of(*hold, now) < *verdict.not_before) hold = *verdict.not_before;
  }
  for (const guard::Allowance& near : taken.near)
    loop_.spawn(send_limit_notice(loop_, services_, facts_.account.address, near));
  return std::nullopt;
}

scan::Message IncomingMessage::shown_to_scanners(const mail::Header& header) const {
  scan::Message shown{.queue_id = to_string(id_),
                      .hostname = services_.hostname,
                      .client = facts_.client,
                      .helo = facts_.helo,
                      .account = facts_.account.address,
                      .tls_cipher = facts_.tls_cipher,
                      .reverse_path = facts_.envelope.reverse_path,
                      .recipients = {},
                      .header = header,
                      .body = *spool_};
  for (const smtp::Recipient& to : facts_.envelope.recipients) shown.recipients.push_back(to.address);
  return shown;
}

/// Asks the content scanners about the message as it would go out, makes their changes and stores it; or refuses.
net::Task<> IncomingMessage::ask_scanners() {
  Result<mail::Header> header = mail::Header::parse(header_);
  if (!header) {
    refusal_ = Refusal{Refusal::Why::BadContent, header.error().detail};
    co_return;
  }
  const scan::Message shown = shown_to_scanners(*header);
  const scan::Verdict verdict = co_await scanner_->scan(loop_, shown);
  record_scanned(verdict);
  if (verdict.decision == scan::Verdict::Decision::Accept) {
    if (services_.watch != nullptr && verdict.suspicion)
      services_.watch->scanned(facts_.account.address, *verdict.suspicion);
    mail::Header changed = *header;
    const Result<std::vector<std::string>> refused = scan::apply_edits(changed, verdict.edits);
    // Whatever scanners want: what leaves keeps to RFC 5322 §3.6.
    const bool sound = refused && !check_field_counts(changed);
    if (!sound || !refused->empty()) {
      log::Event(log::Level::Warning, "scan.edits_refused")
          .with("queue_id", id_)
          .with("field", sound ? refused->front() : "all: the header would not be valid");
    }
    co_await store_scanned(sound ? std::move(changed) : *std::move(header));
    co_return;
  }
  const bool later = verdict.decision == scan::Verdict::Decision::Defer;
  if (!later && services_.watch != nullptr)
    services_.watch->report(facts_.account.address, guard::Report::ScannerSpam);
  refusal_ = Refusal{later ? Refusal::Why::NotScanned : Refusal::Why::Unwanted, verdict.text};
}

net::Task<> IncomingMessage::store_scanned(mail::Header header) {
  constexpr std::size_t kPiece = std::size_t{64} * 1024;
  const std::unique_ptr<scan::Spool> body = std::move(spool_);
  draft_ = services_.queue.begin(loop_, id_);
  const std::string head = header.octets() + "\r\n";
  co_await store(head);
  for (std::uint64_t at = 0; at < body->size() && !refusal_;) {
    const Result<std::string> piece = body->read(at, kPiece);
    if (!piece) {
      refusal_ = Refusal{Refusal::Why::StoreDown, piece.error().detail};
      co_return;
    }
    at += piece->size();
    co_await store(*piece);
  }
}

void IncomingMessage::record_scanned(const scan::Verdict& verdict) {
  const bool accepted = verdict.decision == scan::Verdict::Decision::Accept;
  const std::string detail =
      (accepted ? "" : "refused; ") + (verdict.summary.empty() ? std::string("accept") : verdict.summary);
  log::Event(log::Level::Info, "scan.verdict")
      .with("queue_id", id_)
      .with("account", facts_.account.address)
      .with("accepted", accepted)
      .with("verdict", detail);
  services_.history.record({services_.clock.now(), id_, "scanned", facts_.account.address,
                            facts_.envelope.reverse_path, "", detail});
}

void IncomingMessage::record_accepted(TimePoint at) {
  log::Event(log::Level::Info, "queue.accepted")
      .with("queue_id", id_)
      .with("session_id", facts_.session)
      .with("account", facts_.account.address)
      .with("client", facts_.client.text())
      .with("size", size_)
      .with("recipients", facts_.envelope.recipients.size());
  record("accepted", at);
}

/// Who handed in what, to whom: `postern watch export` reads it again (queue/handed_in.h).
void IncomingMessage::record(const char* kind, TimePoint at) {
  const std::vector<smtp::Recipient>& to = facts_.envelope.recipients;
  std::string detail = "from " + facts_.client.text() + ", " + std::to_string(size_) + " octets, " +
                       std::to_string(to.size()) + " recipients";
  char before = ':';
  for (const smtp::Recipient& recipient : to) {
    detail += before;
    if (before == ':') detail += ' ';
    detail += recipient.address;
    before = ',';
  }
  services_.history.record(
      {at, id_, kind, facts_.account.address, facts_.envelope.reverse_path, "", std::move(detail)});
}

net::Task<Result<>> enqueue_generated(net::Loop& loop, const Services& services, std::string recipient,
                                      std::string signing_domain, std::string content,
                                      smtp::MailParams params) {
  const QueueId id = new_id(services.clock);
  const std::unique_ptr<queue::Queue::Draft> draft = services.queue.begin(loop, id);
  const Result<> stored = co_await draft->append(content);
  if (!stored) co_return stored.error();
  queue::NewMessage message;
  message.id = id;
  message.envelope.recipients.push_back(
      {recipient, domain_of(recipient), {smtp::Notify::kNever}, ""});  // RFC 3461 §6.1
  message.signing_domain = std::move(signing_domain);
  message.accepted_at = services.clock.now();
  message.smtputf8 = params.smtputf8;
  message.envelope.params = std::move(params);
  message.eight_bit = smtp::has_eight_bit(content);
  const Result<queue::Receipt> receipt = co_await draft->commit(std::move(message));
  if (!receipt) co_return receipt.error();
  services.history.record({services.clock.now(), id, "reported", "", "", recipient, "delivery report"});
  co_return Result<>{};
}

}  // namespace postern::intake
