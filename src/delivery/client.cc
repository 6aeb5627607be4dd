// Transactions: MAIL, RCPT, DATA and the content. Session set-up is in client_session.cc.
#include "delivery/client.h"

#include "smtp/dot_codec.h"

#include <algorithm>
#include <set>
#include <utility>

namespace postern::delivery {
namespace {

constexpr std::size_t kMaxReplyLine = 2048;  // RFC 5321 §4.5.3.1.5 allows 512; others exist

constexpr std::size_t kBlock = 64 * 1024;
constexpr std::size_t kShownOfGarbage = 100;

bool positive(const smtp::Reply& reply) { return reply.code / 100 == 2; }

Outcome lost(const Target& target, const Error& error, Stage stage) {
  if (is_broken_answer(error)) {  // we hung up: what they say makes no sense
    return local_outcome(Decision::Retry, "4.5.0",
                         target.host + ": a broken answer to " + to_string(stage) + ": " + error.detail);
  }
  return local_outcome(Decision::Retry, "4.4.2",
                       target.host + ": lost the connection after " + to_string(stage) + ": " + error.detail);
}

void decide_open(TransactionResult& result, const std::vector<std::size_t>& open, const Outcome& outcome) {
  for (const std::size_t i : open) result.outcomes[i] = outcome;
}

}  // namespace

/// What the other side said to MAIL and RCPT, and which recipients wait for the content.
struct Client::Envelope {
  Stage stage = Stage::Mail;           // the last command without an answer
  std::vector<std::size_t> undecided;  // positions whose outcome is still open
  std::vector<std::size_t> accepted;   // positions whose RCPT was accepted
  std::optional<smtp::Reply> data;     // the reply to DATA, if it was sent
};

net::Task<TransactionResult> Client::send(const Transaction& transaction, const Transaction* ahead) {
  TransactionResult result;
  result.outcomes.resize(transaction.recipients.size());
  Envelope envelope;
  for (std::size_t i = 0; i < most_recipients(transaction); ++i) envelope.undecided.push_back(i);

  if (const std::optional<Outcome> refused = refuse_unsent(transaction)) {
    decide_open(result, envelope.undecided, *refused);
    co_return result;
  }
  Result<> sent = co_await exchange_envelope(transaction, envelope, result);
  if (sent && extensions_.chunking) {
    sent = co_await exchange_chunk(transaction, ahead, envelope, result);
  } else if (sent) {
    sent = co_await exchange_data(transaction, ahead, envelope, result);
  }
  if (!sent) {
    usable_ = false;
    decide_open(result, envelope.undecided, lost(target_, sent.error(), envelope.stage));
    decide_open(result, envelope.accepted, lost(target_, sent.error(), envelope.stage));
  }
  co_return result;
}

std::optional<Outcome> Client::refuse_unsent(const Transaction& transaction) const {
  const auto refuse = [this](const char* status, const std::string& why) {
    return local_outcome(Decision::Failed, status, target_.host + why);
  };
  const std::uint64_t size = transaction.content.size();
  if (extensions_.size_limit != 0 && size > extensions_.size_limit) {
    return refuse("5.3.4", " takes messages up to " + std::to_string(extensions_.size_limit) +
                               " octets; this has " + std::to_string(size));
  }
  if (transaction.eight_bit && !transaction.binary && !extensions_.eight_bit_mime)
    return refuse("5.6.3", " does not offer 8BITMIME");
  if (transaction.binary && !(extensions_.chunking && extensions_.binary_mime))
    return refuse("5.6.3", " does not offer BINARYMIME");  // RFC 3030 §3: never sent as anything else
  const smtp::Handling& handling = transaction.envelope.params.handling;
  if (handling.by && handling.by->mode == smtp::DeliverBy::Mode::Return) {
    // RFC 2852 §4.1.3, §4.1.4.1: who cannot promise to send it back in time does not get it.
    if (transaction.by_left.count() <= 0) return refuse("5.4.7", ": the time to deliver it is over");
    if (!extensions_.deliver_by || transaction.by_left.count() < extensions_.least_by)
      return refuse("5.3.3", " does not promise to return the message in time (DELIVERBY)");
  }
  if (handling.require_tls && !transaction.envelope.reverse_path.empty() && !keeps_tls())
    return refuse("5.7.30", " does not offer REQUIRETLS");
  if (transaction.smtputf8 && !extensions_.smtputf8) return refuse("5.6.7", " does not offer SMTPUTF8");
  return std::nullopt;
}

bool Client::keeps_tls() const {
  return extensions_.require_tls && stream_.is_tls() && !stream_.tls_info().verified_by.empty();
}

std::string Client::mail_command(const Transaction& transaction) const {
  const smtp::Envelope& envelope = transaction.envelope;
  std::string line = "MAIL FROM:<" + envelope.reverse_path + ">";
  if (extensions_.size) line += " SIZE=" + std::to_string(transaction.content.size());
  if (transaction.binary) line += " BODY=BINARYMIME";
  if (transaction.eight_bit && !transaction.binary) line += " BODY=8BITMIME";
  if (transaction.smtputf8) line += " SMTPUTF8";
  if (const std::optional<smtp::DeliverBy>& by = envelope.params.handling.by; by && extensions_.deliver_by) {
    line += " BY=" + std::to_string(transaction.by_left.count());
    line += by->mode == smtp::DeliverBy::Mode::Return ? ";R" : ";N";
    if (by->trace) line += "T";
  }
  // RFC 8689 §5: a report goes on without it where it is not understood.
  if (envelope.params.handling.require_tls && keeps_tls()) line += " REQUIRETLS";
  if (extensions_.mt_priority && envelope.params.handling.priority)
    line += " MT-PRIORITY=" + std::to_string(*envelope.params.handling.priority);
  if (extensions_.dsn) {
    if (envelope.params.ret == smtp::Ret::Full) line += " RET=FULL";
    if (envelope.params.ret == smtp::Ret::Headers) line += " RET=HDRS";
    if (!envelope.params.envid.empty()) line += " ENVID=" + envelope.params.envid;
  }
  return line + "\r\n";
}

std::string Client::rcpt_command(const smtp::Envelope& envelope, const smtp::Recipient& recipient) const {
  std::string line = "RCPT TO:<" + recipient.address + ">";
  if (extensions_.dsn) {
    smtp::Notify wanted = recipient.notify;
    const std::optional<smtp::DeliverBy>& by = envelope.params.handling.by;
    if (by && by->mode == smtp::DeliverBy::Mode::Notify && !extensions_.deliver_by &&
        (wanted.bits & smtp::Notify::kNever) == 0) {
      // RFC 2852 §4.1.4.2: nobody there keeps the time, so at least a delay is to be told.
      if (wanted.absent()) wanted.bits = smtp::Notify::kFailure;
      wanted.bits |= smtp::Notify::kDelay;
    }
    const std::string notify = smtp::to_string(wanted);
    if (!notify.empty()) line += " NOTIFY=" + notify;
    if (!recipient.orcpt.empty()) line += " ORCPT=" + recipient.orcpt;
  }
  return line + "\r\n";
}

/// RFC 9422 §3.3, §3.4: no more RCPT, and to no more domains, than the server announced; the others go in another
/// transaction.
std::size_t Client::most_recipients(const Transaction& transaction) const {
  std::size_t most = transaction.recipients.size();
  if (extensions_.most_recipients != 0) most = std::min(most, extensions_.most_recipients);
  if (extensions_.most_domains == 0) return most;
  std::set<std::string_view> domains;
  for (std::size_t i = 0; i < most; ++i) {
    domains.insert(transaction.envelope.recipients[transaction.recipients[i]].domain);
    if (domains.size() > extensions_.most_domains) return i;
  }
  return most;
}

std::string Client::command_group(const Transaction& transaction) const {
  std::string group = mail_command(transaction);
  for (std::size_t i = 0; i < most_recipients(transaction); ++i)
    group += rcpt_command(transaction.envelope, transaction.envelope.recipients[transaction.recipients[i]]);
  return extensions_.chunking ? group : group + "DATA\r\n";
}

net::Task<Result<>> Client::exchange_envelope(const Transaction& transaction, Envelope& envelope,
                                              TransactionResult& result) {
  const bool grouped = extensions_.pipelining;
  const bool sent = std::exchange(ahead_, false);
  const bool reset = std::exchange(reset_first_, false);
  if (reset && !grouped) POSTERN_CO_CHECK(co_await command("RSET", options_.command_timeout));

  result.untouched = true;
  if (!sent) {
    const std::string first = (reset && grouped ? "RSET\r\n" : "") +
                              (grouped ? command_group(transaction) : mail_command(transaction));
    POSTERN_CO_CHECK(co_await write(first, options_.command_timeout));
  }
  if (reset && grouped) POSTERN_CO_CHECK(co_await read_reply(options_.command_timeout));
  POSTERN_CO_TRY(const smtp::Reply mail, co_await read_reply(options_.command_timeout));
  // A server that closes an idle session may say so first (RFC 5321 §3.8): nothing of this message was read.
  result.untouched = mail.code == 421;
  if (!positive(mail)) {
    decide_open(result, std::exchange(envelope.undecided, {}), classify(mail, Stage::Mail, replies_));
    if (mail.code == 421) usable_ = false;
    if (!grouped || !usable_) co_return Result<>{};
  }

  envelope.stage = Stage::Rcpt;
  for (std::size_t i = 0; i < most_recipients(transaction); ++i) {
    if (!grouped) {
      const std::string line =
          rcpt_command(transaction.envelope, transaction.envelope.recipients[transaction.recipients[i]]);
      POSTERN_CO_CHECK(co_await write(line, options_.command_timeout));
    }
    POSTERN_CO_TRY(const smtp::Reply rcpt, co_await read_reply(options_.command_timeout));
    if (!positive(mail)) continue;  // MAIL's reply has decided
    std::erase(envelope.undecided, i);
    if (positive(rcpt)) {
      envelope.accepted.push_back(i);
    } else if (!too_many_recipients(rcpt) || envelope.accepted.empty()) {
      result.outcomes[i] = classify(rcpt, Stage::Rcpt, replies_);
    }  // else RFC 5321 §4.5.3.1.10: its outcome stays open, for a second transaction
  }

  // RFC 5321 §3.3: without a recipient there is no DATA, unless it went out with the group.
  reset_first_ = positive(mail) && envelope.accepted.empty();
  if (extensions_.chunking) co_return Result<>{};
  if (!grouped && envelope.accepted.empty()) co_return Result<>{};
  envelope.stage = Stage::Data;
  if (!grouped) POSTERN_CO_CHECK(co_await write("DATA\r\n", options_.data_timeout));
  POSTERN_CO_TRY(envelope.data, co_await read_reply(options_.data_timeout));
  co_return Result<>{};
}

net::Task<Result<>> Client::exchange_data(const Transaction& transaction, const Transaction* ahead,
                                          Envelope& envelope, TransactionResult& result) {
  if (!envelope.data) co_return Result<>{};
  if (envelope.data->code != 354) {
    decide_open(result, std::exchange(envelope.accepted, {}),
                classify(*envelope.data, Stage::Data, replies_));
    if (envelope.data->code == 421 || envelope.data->code / 100 < 4)
      usable_ = false;  // no way to be in step again
    reset_first_ = true;
    co_return Result<>{};
  }
  if (envelope.accepted.empty()) {
    // RFC 2920 §3.1: a 354 although every recipient was refused is answered with a single dot.
    POSTERN_CO_CHECK(co_await write(".\r\n", options_.block_timeout));
    POSTERN_CO_CHECK(co_await read_reply(options_.final_timeout));
    reset_first_ = true;
    co_return Result<>{};
  }
  POSTERN_CO_CHECK(co_await send_content(transaction.content, ahead));
  Result<> finished = co_await finish(envelope, result);
  co_return finished;
}

/// RFC 3030 §2: the content as one chunk, which needs neither a 354 nor dots.
net::Task<Result<>> Client::exchange_chunk(const Transaction& transaction, const Transaction* ahead,
                                           Envelope& envelope, TransactionResult& result) {
  if (envelope.accepted.empty()) co_return Result<>{};
  envelope.stage = Stage::Data;
  POSTERN_CO_CHECK(co_await send_chunk(transaction.content, ahead));
  Result<> finished = co_await finish(envelope, result);
  co_return finished;
}

/// The reply that decides about the content.
net::Task<Result<>> Client::finish(Envelope& envelope, TransactionResult& result) {
  envelope.stage = Stage::FinalDot;
  POSTERN_CO_TRY(const smtp::Reply final, co_await read_reply(options_.final_timeout));
  decide_open(result, std::exchange(envelope.accepted, {}), classify(final, Stage::FinalDot, replies_));
  if (final.code == 421) usable_ = false;
  co_return Result<>{};
}

net::Task<Result<>> Client::send_content(Content& content, const Transaction* ahead) {
  smtp::DotEncoder encoder;
  std::string wire;
  wire.reserve(
      static_cast<std::size_t>(std::min<std::uint64_t>(content.size() + content.size() / 32, 2 * kBlock)) +
      64);
  while (true) {
    POSTERN_CO_TRY(const std::string_view piece, co_await content.next());
    if (piece.empty()) break;
    // A small message leaves in one write, its dot included; a large one block by block.
    if (wire.size() >= kBlock) {
      POSTERN_CO_CHECK(co_await write(wire, options_.block_timeout));
      wire.clear();
    }
    encoder.feed(piece, wire);
  }
  encoder.finish(wire);
  append_ahead(wire, ahead);
  Result<> written = co_await write(wire, options_.block_timeout);
  co_return written;
}

net::Task<Result<>> Client::send_chunk(Content& content, const Transaction* ahead) {
  std::uint64_t left = content.size();
  std::string wire = "BDAT " + std::to_string(left) + " LAST\r\n";
  while (true) {
    POSTERN_CO_TRY(const std::string_view piece, co_await content.next());
    if (piece.empty()) break;
    // What was announced must be what comes, or what follows would be read as content.
    if (piece.size() > left) co_return fail(Errc::Corrupt, "the content is longer than announced");
    left -= piece.size();
    if (wire.size() >= kBlock) {
      POSTERN_CO_CHECK(co_await write(wire, options_.block_timeout));
      wire.clear();
    }
    wire += piece;
  }
  if (left != 0) co_return fail(Errc::Corrupt, "the content is shorter than announced");
  append_ahead(wire, ahead);
  Result<> written = co_await write(wire, options_.block_timeout);
  co_return written;
}

void Client::append_ahead(std::string& wire, const Transaction* ahead) {
  if (ahead != nullptr && extensions_.pipelining && !refuse_unsent(*ahead)) {
    wire += command_group(*ahead);
    ahead_ = true;
  }
}

net::Task<Result<smtp::Reply>> Client::read_reply(std::chrono::seconds timeout) {
  const SteadyTime until = deadline(timeout);
  while (true) {
    Result<std::string_view> line = co_await stream_.read_line(kMaxReplyLine, until);
    if (!line) {
      usable_ = false;
      co_return line.error();
    }
    Result<std::optional<smtp::Reply>> reply = parser_.feed(*line);
    if (!reply) {
      usable_ = false;
      co_return fail(Errc::Malformed,
                     reply.error().detail + ": \"" + harmless(*line, kShownOfGarbage) + "\"");
    }
    if (!*reply) continue;
    if (listener_ != nullptr) (*listener_)('S', one_line(**reply));
    co_return std::move(**reply);
  }
}

/// Everything we send is sent when all replies to what went before have been read.
net::Task<Result<>> Client::write(std::string_view data, std::chrono::seconds timeout) {
  // A 421 may come at any time (RFC 5321 §3.8). Other words in advance would be taken for answers to what we say now.
  if (const std::string_view early = stream_.buffered(); !early.empty() && !early.starts_with("421")) {
    usable_ = false;
    co_return fail(Errc::Malformed,
                   "an answer that nobody asked for: \"" + harmless(early, kShownOfGarbage) + "\"");
  }
  Result<> written = co_await stream_.write(data, deadline(timeout));
  if (!written) usable_ = false;
  co_return written;
}

}  // namespace postern::delivery
