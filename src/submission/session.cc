#include "submission/session.h"

#include "base/base64.h"
#include "smtp/ascii.h"
#include "submission/replies.h"

#include <algorithm>

namespace postern::submission {
namespace {

/// First lines of those who took us for something else. A TLS hello on a cleartext port starts with 0x16
/// 0x03.
bool is_stranger(std::string_view line) {
  for (const std::string_view start :
       {"GET ", "POST ", "HEAD ", "PUT ", "OPTIONS ", "CONNECT ", "PRI * HTTP", "SSH-", "\x16\x03"}) {
    if (line.starts_with(start)) return true;
  }
  return false;
}

smtp::Reply not_understood(const smtp::ParsedCommand& parsed) {
  const Error& error = parsed.command.error();
  if (parsed.bad_path) {
    return parsed.verb == smtp::Verb::Mail ? replies::bad_sender_address(error.detail)
                                           : replies::bad_recipient_address(error.detail);
  }
  switch (error.code) {
    case Errc::Denied:
      return replies::unknown_command();
    case Errc::NotFound:
      return replies::unknown_parameter();
    default:
      return replies::syntax_error(error.detail);
  }
}

/// 500-504, 530 and 555 say that a client does not speak the protocol. Other refusals are a matter of what it asks
/// for, and an honest one may be refused often.
bool is_protocol_error(const smtp::Reply& reply) {
  return (reply.code >= 500 && reply.code <= 504) || reply.code == 530 || reply.code == 555;
}

}  // namespace

Session::Session(const Options& options, std::string hostname, Policy& policy, const Clock& clock, Tls tls,
                 bool tls_available)
    : options_(options),
      hostname_(std::move(hostname)),
      policy_(policy),
      clock_(clock),
      tls_(tls),
      tls_available_(tls_available) {}

Step Session::greeting() const { return {replies::banner(hostname_), Next::Read}; }

std::optional<smtp::Reply> Session::check_rules(smtp::Verb verb) const {
  const auto rule =
      std::find_if(kRules.begin(), kRules.end(), [verb](const Rule& r) { return r.verb == verb; });
  if (rule == kRules.end()) return std::nullopt;  // unknown: the grammar's answer stands
  if (rule->needs_tls && tls_ == Tls::None) return replies::tls_required();
  if (rule->needs_auth && !account_) {
    return phase_ == Phase::Connected ? replies::bad_sequence("send EHLO first") : replies::auth_required();
  }
  if ((rule->phases & static_cast<std::uint8_t>(phase_)) == 0) return replies::bad_sequence(hint(verb));
  return std::nullopt;
}

/// What would be in order in place of `verb`.
const char* Session::hint(smtp::Verb verb) const {
  switch (phase_) {
    case Phase::Connected:
      return "send EHLO first";
    case Phase::Greeted:
      return "MAIL first";
    case Phase::Chunks:
      return "BDAT or RSET";
    case Phase::Mail:
    case Phase::Rcpt:
      break;
  }
  if (verb == smtp::Verb::Mail) return "a transaction has begun already; RSET ends it";
  if (verb == smtp::Verb::Data || verb == smtp::Verb::Bdat)
    return bad_recipients_ > 0 ? "no valid recipients" : "RCPT first";
  return "not within a transaction; RSET ends it";
}

Step Session::after(smtp::Reply reply) {
  if (is_protocol_error(reply) && ++errors_ >= options_.max_errors)
    return {replies::too_many_errors(), Next::Close};
  return {std::move(reply), Next::Read};
}

// A list with many dead addresses in it is no attack: recipients are counted on their own.
Step Session::recipient_refused(smtp::Reply reply) {
  if (++bad_recipients_ > options_.max_recipients) return after(std::move(reply));
  return {std::move(reply), Next::Read};
}

Step Session::on_line(std::string_view line) {
  const bool first = std::exchange(first_line_, false);
  if (line.size() > kMaxCommand && !smtp::iequals(line.substr(0, 5), "AUTH ")) return on_line_too_long();
  if (first && is_stranger(line)) return {replies::not_smtp(), Next::Close};
  const smtp::ParsedCommand parsed = smtp::parse_command(line);
  if (auth_failures_ >= options_.max_auth_failures && parsed.verb != smtp::Verb::Quit && !account_)
    return {replies::too_many_failed_logins(), Next::Close};
  // RFC 9422 §4.1: all MAIL commands count, whether they succeed or not.
  const std::uint32_t most = options_.max_messages_per_connection;
  if (parsed.verb == smtp::Verb::Mail && ++mails_ > most && most > 0)
    return {replies::too_many_messages(), Next::Close};
  if (auto refused = check_rules(parsed.verb)) {
    const bool chunk = parsed.verb == smtp::Verb::Bdat && parsed.command.has_value();
    return chunk ? refuse_chunk(std::get<smtp::Bdat>(*parsed.command), *std::move(refused))
                 : after(*std::move(refused));
  }
  if (parsed.command) return dispatch(*parsed.command);
  smtp::Reply refusal = not_understood(parsed);
  return parsed.verb == smtp::Verb::Rcpt ? recipient_refused(std::move(refusal)) : after(std::move(refusal));
}

// RFC 3030 §2: the octets of a refused chunk are read and dropped; they are no commands. The reply does not wait for
// them.
Step Session::refuse_chunk(const smtp::Bdat& chunk, smtp::Reply reply) {
  chunk_ = chunk;
  Step step = after(std::move(reply));
  if (step.next == Next::Read) step.next = Next::DropChunk;
  return step;
}

Step Session::dispatch(const smtp::Command& command) {
  Step step = std::visit([this](const auto& c) { return on(c); }, command);
  if (step.next != Next::Read) return step;
  const bool recipient = std::holds_alternative<smtp::RcptTo>(command);
  return recipient && step.reply.code >= 500 ? recipient_refused(std::move(step.reply))
                                             : after(std::move(step.reply));
}

Step Session::on_line_too_long() { return after(replies::command_too_long()); }

Step Session::on(const smtp::Ehlo& ehlo) {
  reset_transaction();
  phase_ = Phase::Greeted;
  helo_ = ehlo.domain;
  esmtp_ = true;
  const bool tls = tls_ == Tls::Active;
  const std::string mechanisms = tls ? sasl::mechanism_names(policy_.environment()) : "";
  return {replies::ehlo({.hostname = hostname_,
                         .offer_starttls = !tls && tls_available_,
                         .tls = tls,
                         .mechanisms = mechanisms,
                         .max_message = options_.max_message.count,
                         .max_recipients = options_.max_recipients,
                         .max_messages = options_.max_messages_per_connection,
                         .max_hold = options_.max_hold,
                         .now = clock_.now()})};
}

Step Session::on(const smtp::Helo& helo) {
  reset_transaction();
  phase_ = Phase::Greeted;
  helo_ = helo.domain;
  esmtp_ = false;
  return {replies::helo(hostname_)};
}

Step Session::on(const smtp::StartTls&) {
  if (tls_ == Tls::Active) return {replies::tls_already()};
  if (!tls_available_) return {replies::tls_unavailable()};
  return {replies::start_tls(), Next::StartTls};
}

Step Session::on(const smtp::Auth& auth) {
  if (account_) return {replies::already_authenticated()};
  mechanism_ = sasl::make_mechanism(auth.mechanism, policy_.environment());
  if (!mechanism_) return {replies::auth_unknown_mechanism()};
  if (!auth.initial_response) return {replies::challenge(mechanism_->first_challenge()), Next::ReadResponse};
  return on_response(
      *auth.initial_response == "=" ? "" : *auth.initial_response);  // RFC 4954 §4: "=" is empty, not absent
}

Step Session::on_response(std::string_view line) {
  if (line == "*") return login_cancelled();
  if (login_ends_well_ || login_ends_badly_) return on_last_response(line);
  const Result<std::string> octets = base64_decode(line);
  if (!octets) return login_failed(replies::auth_bad_base64());
  return apply(mechanism_->on_response(*octets));
}

/// RFC 4954 §4. Clients cancel what they cannot do; that is no guess at a password, unless one was made before.
Step Session::login_cancelled() {
  if (login_ends_badly_) return login_failed(replies::auth_cancelled());
  forget_exchange();
  return after(replies::auth_cancelled());
}

Step Session::on_response_too_long() { return login_failed(replies::auth_line_too_long()); }

Step Session::apply(sasl::Step step) {
  if (auto* challenge = std::get_if<sasl::Challenge>(&step))
    return {replies::challenge(challenge->octets), Next::ReadResponse};
  if (std::holds_alternative<sasl::Failed>(step)) return login_failed(replies::bad_credentials());
  claim_ = std::get<sasl::Claim>(std::move(step));
  // RFC 4616 §2: acting as somebody else needs a permission that nobody has.
  if (sasl::asks_for_another(claim_)) return login_failed(replies::bad_credentials());
  return {{}, Next::CheckLogin};
}

Step Session::on_last_response(std::string_view line) {
  if (login_ends_badly_) return login_failed(*std::exchange(login_ends_badly_, std::nullopt));
  if (!line.empty()) return login_failed(replies::bad_credentials());
  mechanism_.reset();
  account_ = std::exchange(login_ends_well_, std::nullopt);
  return {replies::logged_in(), Next::Read};
}

Step Session::logged_in(accounts::Account account) {
  claim_ = {};
  if (const std::string proof = mechanism_->success_data(); !proof.empty()) {
    login_ends_well_ = std::move(account);
    return {replies::challenge(proof), Next::ReadResponse};
  }
  mechanism_.reset();
  account_ = std::move(account);
  return {replies::logged_in(), Next::Read};
}

Step Session::login_refused(smtp::Reply reply) {
  const std::string why = mechanism_->failure_data();
  if (why.empty()) return login_failed(reply);
  login_ends_badly_ = std::move(reply);
  return {replies::challenge(why), Next::ReadResponse};
}

// The last failure is still told as what it is: who were told 421 only would try the same password again later.
Step Session::login_failed(const smtp::Reply& reply) {
  forget_exchange();
  ++auth_failures_;
  return {reply, Next::Read};
}

void Session::forget_exchange() {
  mechanism_.reset();
  claim_ = {};
  login_ends_well_.reset();
  login_ends_badly_.reset();
}

/// What the parameters of MAIL ask for and we do not grant, whoever asks.
std::optional<smtp::Reply> Session::check_params(const smtp::MailParams& params) const {
  const smtp::Handling& handling = params.handling;
  // Only what EHLO announced (RFC 5321 §4.1.1.11).
  if (handling.require_tls && tls_ != Tls::Active) return replies::unknown_parameter();
  if (handling.hold) {
    if (options_.max_hold.count() == 0) return replies::unknown_parameter();
    const TimePoint now = clock_.now();
    if (smtp::end_of(*handling.hold, now) > now + options_.max_hold)
      return replies::hold_too_long(options_.max_hold);  // RFC 4865 §4.2
    if (handling.by && smtp::end_of(*handling.hold, now) > now + handling.by->within)
      return replies::hold_after_deliver_by();
  }
  if (params.size.value_or(0) > options_.max_message.count)
    return replies::too_big(options_.max_message.count);  // RFC 1870 §6.1
  return std::nullopt;
}

Step Session::on(const smtp::MailFrom& mail) {
  const smtp::Mailbox& path = mail.reverse_path;
  const bool null = path.local.empty();
  if (path.has_non_ascii() && !mail.params.smtputf8)
    return {replies::sender_needs_smtputf8()};                                           // RFC 6531 §3.5
  if (!null && !path.fully_qualified()) return {replies::sender_not_fully_qualified()};  // RFC 6409 §4.2
  if (const accounts::Standing standing = policy_.standing(*account_); standing != accounts::Standing::Good)
    return {replies::not_in_good_standing(standing)};
  // RFC 6409 §3.2: the null reverse-path is never by itself a reason to refuse.
  if (!null && !policy_.may_send_as(*account_, path))
    return {replies::not_your_sender(account_->address, path.text())};
  if (std::optional<smtp::Reply> refusal = check_params(mail.params)) return {*std::move(refusal)};
  if (policy_.refused_on_hold(*account_)) return {replies::on_hold(account_->address)};
  if (const guard::Verdict verdict = policy_.check_limits(*account_); !verdict.accepted)
    return {replies::over_limit(verdict)};
  reset_transaction();
  envelope_.reverse_path = null ? "" : path.text();
  envelope_.params = mail.params;
  transaction_began_ = clock_.steady_now();
  phase_ = Phase::Mail;
  // RFC 6710 §4.1: nobody raises the priority without being entitled to.
  std::optional<std::int8_t>& priority = envelope_.params.handling.priority;
  if (priority.value_or(0) <= 0 || account_->kind != accounts::AccountClass::Bulk)
    return {replies::sender_ok()};
  priority = 0;
  return {replies::sender_ok_without_priority()};
}

Step Session::on(const smtp::RcptTo& rcpt) {
  smtp::Mailbox path = rcpt.forward_path;
  if (path.domain.empty()) {
    // RFC 5321 §4.5.1: <postmaster> without domain is accepted where mail is relayed.
    const Result<smtp::Mailbox> postmaster = smtp::parse_mailbox(options_.postmaster);
    if (!postmaster) return {replies::no_postmaster()};
    path = *postmaster;
  }
  if (path.has_non_ascii() && !envelope_.params.smtputf8) return {replies::recipient_needs_smtputf8()};
  if (!path.fully_qualified()) return {replies::recipient_not_fully_qualified()};
  if (envelope_.recipients.size() >= options_.max_recipients) return {replies::too_many_recipients()};
  smtp::Recipient recipient{path.text(), smtp::to_lower(path.domain), rcpt.params.notify, rcpt.params.orcpt};
  const guard::Verdict verdict = policy_.check_recipient(*account_, recipient, tally_);
  if (!verdict.accepted) return {replies::over_limit(verdict)};
  envelope_.recipients.push_back(std::move(recipient));
  phase_ = Phase::Rcpt;
  return {replies::recipient_ok()};
}

Step Session::on(const smtp::Data&) {
  if (envelope_.params.body == smtp::Body::BinaryMime) return {replies::binary_needs_bdat()};  // RFC 3030 §3
  return {replies::send_data(), Next::ReceiveData};
}

DataReader Session::make_reader(Next coding) const {
  const std::uint64_t most = options_.max_message.count;
  if (coding == Next::ReceiveData) return DataReader::after_data(most);
  const bool binary = envelope_.params.body == smtp::Body::BinaryMime;
  return DataReader::for_chunks(most, binary ? DataReader::Lines::Binary : DataReader::Lines::Text);
}

Step Session::on(const smtp::Bdat& bdat) {
  if (bdat.size > options_.max_message.count - std::min(chunked_, options_.max_message.count)) {
    reset_transaction();
    return refuse_chunk(bdat, replies::too_big(options_.max_message.count));
  }
  chunk_ = bdat;
  chunked_ += bdat.size;
  return {{}, Next::ReceiveChunk};
}

void Session::chunk_done() { phase_ = Phase::Chunks; }

Step Session::on(const smtp::Rset&) {
  reset_transaction();
  return {replies::ok()};
}

Step Session::on(const smtp::Noop&) { return {replies::ok()}; }
Step Session::on(const smtp::Quit&) { return {replies::bye(hostname_), Next::Close}; }
Step Session::on(const smtp::Vrfy&) { return {replies::cannot_verify()}; }
Step Session::on(const smtp::Help&) { return {replies::help()}; }
Step Session::on(const smtp::NotOffered&) { return {replies::not_offered()}; }

void Session::tls_started() {
  tls_ = Tls::Active;
  phase_ = Phase::Connected;
  esmtp_ = false;
  helo_.clear();
  account_.reset();
  mechanism_.reset();
  reset_transaction();
}

void Session::data_done() { reset_transaction(); }

void Session::reset_transaction() {
  envelope_ = {};
  transaction_began_.reset();
  tally_ = {};
  chunked_ = 0;
  bad_recipients_ = 0;
  if (phase_ != Phase::Connected) phase_ = Phase::Greeted;
}

}  // namespace postern::submission
