#include "submission/connection.h"

#include "base/log.h"
#include "intake/limited_sender.h"
#include "smtp/ascii.h"
#include "submission/data_reader.h"
#include "submission/replies.h"
#include "submission/session.h"

namespace postern::submission {
namespace {

constexpr unsigned char kTlsHandshake = 22;  // the record type of a ClientHello (RFC 8446 §5.1)

class ConnectionPolicy final : public Policy {
 public:
  ConnectionPolicy(const Services& services, const net::Stream& stream, SessionId session)
      : services_(services), stream_(stream), session_(session) {}
  bool may_send_as(const accounts::Account& account, const smtp::Mailbox& path) override {
    return services_.directory.may_send_as(account, {path.unquoted_local(), path.domain});
  }
  accounts::Standing standing(const accounts::Account& account) override {
    return services_.directory.standing(account);
  }
  guard::Verdict check_limits(const accounts::Account& account) override { return check(account, {}); }
  guard::Verdict check_recipient(const accounts::Account& account, const smtp::Recipient& recipient,
                                 guard::Tally& tally) override {
    guard::Tally with = tally;
    if (!services_.directory.is_ours(recipient.domain)) {
      const guard::Sender sender = intake::limited_sender(services_.directory, account, stream_.peer().ip);
      services_.limits.count(sender, recipient.address, with);
    }
    guard::Verdict verdict = check(account, with);
    if (verdict.accepted) tally = with;
    return verdict;
  }
  bool refused_on_hold(const accounts::Account& account) override {
    const guard::WatchBook* watch = services_.intake.watch;
    return watch != nullptr && watch->options()->new_mail == guard::NewMail::Refuse &&
           watch->is_held(account.address);
  }
  sasl::Environment environment() override { return services_.logins.environment(stream_); }

 private:
  guard::Verdict check(const accounts::Account& account, const guard::Tally& tally) {
    const guard::Sender sender = intake::limited_sender(services_.directory, account, stream_.peer().ip);
    guard::Verdict verdict = services_.limits.check(sender, tally);
    verdict.reason = intake::with_reference(verdict.reason, session_);
    return verdict;
  }

  const Services& services_;
  const net::Stream& stream_;
  const SessionId session_;
};

/// One client's conversation: reads lines, asks the session, writes what it says.
class Connection {
 public:
  Connection(Client& client, Mode mode, const Services& services)
      : client_(client),
        stream_(client.stream),
        services_(services),
        options_(services.options.now()),
        id_{make_id(services.clock.now().time_since_epoch().count())},
        policy_(services, stream_, id_),
        session_(*options_, services.hostname, policy_, services.clock,
                 mode == Mode::Implicit ? Session::Tls::Active : Session::Tls::None, client.tls != nullptr),
        mode_(mode) {}

  net::Task<> run() {
    const bool begun = co_await begin();
    if (!begun) co_return;
    Step step = first_step_;
    for (;;) {
      if (step.reply.code != 0) stream_.queue(step.reply.wire());
      if (step.next == Next::Close) break;
      if (!session_.between_chunks()) incoming_.reset();  // RSET, EHLO, a refusal
      if (step.next == Next::Read && (client_.stopping || client_.dismissed)) {
        stream_.queue(farewell().wire());
        break;
      }
      Result<Step> next = co_await advance(step.next);
      if (!next) co_return;
      step = *std::move(next);
    }
    co_await stream_.shutdown(in(std::chrono::seconds{2}));
  }

 private:
  [[nodiscard]] SteadyTime in(std::chrono::seconds time) const { return services_.clock.steady_now() + time; }

  /// Who does not log in does not stay, however busy.
  [[nodiscard]] SteadyTime command_deadline() const {
    const SteadyTime next = in(options_->command_timeout);  // RFC 5321 §4.5.3.2.7
    return session_.account() ? in_transaction(next) : std::min(next, connected_ + options_->login_timeout);
  }

  /// `deadline`, or the end of the transaction that is under way: busy clients do not keep one open for ever.
  [[nodiscard]] SteadyTime in_transaction(SteadyTime deadline) const {
    const std::optional<SteadyTime> began = session_.transaction_began();
    return began ? std::min(deadline, *began + options_->transaction_timeout) : deadline;
  }

  /// Up to the first step: TLS on 465, and those who came to the wrong port. False: there is no session.
  net::Task<bool> begin() {
    first_step_ = session_.greeting();
    if (mode_ == Mode::StartTls) stream_.queue(first_step_.reply.wire());
    client_.between_commands = true;
    const Result<unsigned char> first =
        co_await stream_.peek(mode_ == Mode::Implicit ? in(options_->handshake_timeout) : command_deadline());
    client_.between_commands = false;
    if (!first && first.error().code != Errc::Timeout) co_return false;
    const bool hello = first && *first == kTlsHandshake;
    if (mode_ == Mode::Implicit) {
      if (!first) co_return false;
      if (!hello) {
        wrong_port("submission.clear_on_tls_port", replies::tls_expected());
        co_return true;
      }
      const bool secured = co_await handshake();
      co_return secured;
    }
    first_step_ = Step{{}, Next::Read};
    if (hello) wrong_port("submission.tls_on_clear_port", replies::starttls_expected());
    if (!first) first_step_ = out_of_time();
    co_return true;
  }

  [[nodiscard]] bool may_log() const { return services_.log_budget.take(stream_.peer().ip); }

  void wrong_port(const char* event, smtp::Reply reply) {
    if (may_log())
      log::Event(log::Level::Info, event).with("session_id", id_).with("client", stream_.peer().ip.text());
    first_step_ = Step{std::move(reply), Next::Close};
  }

  [[nodiscard]] smtp::Reply farewell() const {
    return client_.stopping ? replies::shutting_down() : replies::log_in_again();
  }

  /// A wait ended without a command: because the client was too slow, or because we stop.
  [[nodiscard]] Step out_of_time() const {
    const bool ours = client_.stopping || client_.dismissed;
    return {ours ? farewell() : replies::timed_out(), Next::Close};
  }

  /// Does what the session asked for; the step that follows. An error: the client is gone.
  net::Task<Result<Step>> advance(Next next) {
    if (next == Next::StartTls) {
      Result<Step> step = co_await start_tls();
      co_return step;
    }
    if (next == Next::CheckLogin) {
      Step step = co_await check_login();
      co_return step;
    }
    if (next == Next::ReceiveData) {
      Result<Step> step = co_await receive_data();
      co_return step;
    }
    if (next == Next::ReceiveChunk) {
      Result<Step> step = co_await receive_chunk();
      co_return step;
    }
    if (next == Next::DropChunk) {
      Result<Step> step = co_await drop_chunk();
      co_return step;
    }
    Result<Step> step = co_await read_line(next == Next::ReadResponse);
    co_return step;
  }

  net::Task<Result<Step>> read_line(bool response) {
    client_.between_commands = true;
    const Result<std::string_view> line =
        co_await stream_.read_line(response ? Session::kMaxResponse : Session::kMaxLine, command_deadline());
    client_.between_commands = false;
    if (line) {
      Step step = response ? session_.on_response(*line) : session_.on_line(*line);
      if (step.reply.code >= 400) note_refused(step.reply);
      co_return step;
    }
    switch (line.error().code) {
      case Errc::Exhausted:
        co_return response ? session_.on_response_too_long() : session_.on_line_too_long();
      case Errc::Timeout:
        co_return out_of_time();
      default:
        co_return line.error();
    }
  }

  net::Task<bool> handshake() {
    const Result<> done = co_await stream_.accept_tls(client_.tls, in(options_->handshake_timeout));
    if (!done) {
      if (may_log()) {
        log::Event(log::Level::Info, "submission.tls_failed")
            .with("session_id", id_)
            .with("client", stream_.peer().ip.text())
            .with("why", done.error().detail);
      }
      co_return false;
    }
    tls_ = stream_.tls_info();
    co_return true;
  }

  net::Task<Result<Step>> start_tls() {
    const Result<> flushed = co_await stream_.flush(in(options_->command_timeout));
    if (!flushed) co_return flushed.error();
    const bool secured = co_await handshake();  // drops what was buffered in clear (RFC 3207 §4.2)
    if (!secured) co_return fail(Errc::Closed, "no TLS");
    session_.tls_started();
    co_return Step{{}, Next::Read};
  }

  net::Task<Step> check_login() {
    Logins::Client client{stream_.peer().ip, id_, tls_.cipher, stream_.certified_addresses()};
    Logins::Outcome outcome =
        co_await services_.logins.check(stream_.loop(), session_.claim(), std::move(client));
    if (auto* account = std::get_if<accounts::Account>(&outcome)) {
      services_.metrics.login(Login::Ok);
      client_.account = account->address;
      co_return session_.logged_in(std::move(*account));
    }
    switch (std::get<Logins::Refusal>(outcome)) {
      case Logins::Refusal::Wrong:
        break;
      case Logins::Refusal::Locked:
        services_.metrics.login(Login::LockedOut);
        co_return session_.login_refused(replies::auth_locked());
      case Logins::Refusal::Unavailable:
        services_.metrics.login(Login::Unavailable);
        co_return session_.login_refused(replies::auth_unavailable());
      case Logins::Refusal::NeedsAppPassword:
        services_.metrics.login(Login::Failed);
        co_return session_.login_refused(replies::auth_needs_app_password());
    }
    services_.metrics.login(Login::Failed);
    co_return session_.login_refused(replies::bad_credentials());
  }

  /// A message on its way in: what takes it off the wire and what keeps it.
  struct Incoming {
    DataReader reader;
    intake::IncomingMessage message;
    SteadyTime begun;
  };

  void begin_message(DataReader reader) {
    intake::SubmissionFacts facts{*session_.account(), id_,         stream_.peer().ip, session_.helo(),
                                  session_.esmtp(),    tls_.cipher, tls_.group,        session_.envelope()};
    incoming_ = std::make_unique<Incoming>(
        Incoming{std::move(reader), {stream_.loop(), services_.intake, std::move(facts)}, in({})});
  }

  net::Task<Result<Step>> receive_data() {
    begin_message(session_.make_reader(Next::ReceiveData));
    const Result<> read = co_await receive();
    if (!read) {
      Result<Step> step = data_failed(read.error());
      co_return step;
    }
    Step step = co_await finish_message();
    co_return step;
  }

  net::Task<Result<Step>> receive_chunk() {
    if (!incoming_) begin_message(session_.make_reader(Next::ReceiveChunk));
    const smtp::Bdat chunk = session_.chunk();
    incoming_->reader.begin_chunk(chunk.size);
    const Result<> read = co_await receive();
    if (!read) {
      Result<Step> step = data_failed(read.error());
      co_return step;
    }
    if (chunk.last) {
      Step step = co_await finish_message();
      co_return step;
    }
    if (std::optional<smtp::Reply> refusal = incoming_->reader.refusal(false)) {
      session_.data_done();
      const Rejected why = refusal->code == 552 ? Rejected::TooBig : Rejected::Content;
      co_return refuse(*std::move(refusal), why);
    }
    session_.chunk_done();
    co_return Step{replies::chunk_ok(chunk.size), Next::Read};
  }

  net::Task<Result<Step>> drop_chunk() {
    smtp::ChunkReader chunk(session_.chunk().size);
    const SteadyTime begun = in({});
    // Outside a transaction nothing else ends it: a chunk may be as long as the client says.
    const SteadyTime end = session_.account() ? begun + options_->transaction_timeout : command_deadline();
    std::uint64_t dropped = 0;
    while (!chunk.finished()) {
      const SteadyTime deadline = std::min(data_deadline(begun, dropped), end);
      const Result<std::string_view> wire = co_await stream_.read_some(deadline);
      if (!wire) {
        Result<Step> step = data_failed(wire.error());
        co_return step;
      }
      const std::size_t mine = chunk.take(*wire).size();
      dropped += mine;
      stream_.consume(mine);
    }
    co_return Step{{}, Next::Read};
  }

  /// When the next piece of a message has to be there: soon (RFC 5321 §4.5.3.2.5), and in keeping with the least
  /// rate, so that nobody holds a transaction open with an octet now and then.
  [[nodiscard]] SteadyTime data_deadline(SteadyTime begun, std::uint64_t received) const {
    const std::uint64_t rate = options_->min_data_rate.count;
    if (rate == 0) return in_transaction(in(options_->data_timeout));
    const SteadyTime at_least_rate = begun + options_->data_timeout + std::chrono::seconds{received / rate};
    return in_transaction(std::min(in(options_->data_timeout), at_least_rate));
  }

  /// Reads the data, or the chunk, to its end. What is refused is read as well, and forgotten.
  net::Task<Result<>> receive() {
    Incoming& incoming = *incoming_;
    std::string text;
    while (!incoming.reader.finished()) {
      const Result<std::string_view> wire =
          co_await stream_.read_some(data_deadline(incoming.begun, incoming.reader.size()));
      if (!wire) co_return wire.error();
      text.clear();
      stream_.consume(incoming.reader.feed(*wire, text));
      if (!text.empty()) co_await incoming.message.feed(text);
    }
    co_return Result<>{};
  }

  /// Nothing was promised: what came of the message is discarded.
  Result<Step> data_failed(const Error& error) {
    if (error.code == Errc::Timeout) return Step{replies::timed_out(), Next::Close};
    return error;
  }

  net::Task<Step> finish_message() {
    const std::unique_ptr<Incoming> incoming = std::exchange(incoming_, nullptr);
    session_.data_done();
    if (std::optional<smtp::Reply> refusal = incoming->reader.refusal(true)) {
      const Rejected why = refusal->code == 552 ? Rejected::TooBig : Rejected::Content;
      co_return refuse(*std::move(refusal), why);
    }
    if (incoming->reader.is_binary()) incoming->message.mark_binary();
    const SteadyTime ended = in({});
    const intake::Accepted outcome = co_await incoming->message.finish();
    if (const auto* refusal = std::get_if<intake::Refusal>(&outcome))
      co_return refuse(replies::refused(*refusal), rejected_because(refusal->why));
    services_.metrics.message_accepted(incoming->message.size(), in({}) - ended);
    co_return Step{replies::accepted(std::get<queue::Receipt>(outcome), incoming->message.note()),
                   Next::Read};
  }

  Step refuse(smtp::Reply reply, Rejected why) {
    services_.metrics.message_rejected(why);
    if (may_log()) {
      log::Event(log::Level::Info, "submission.message_refused")
          .with("session_id", id_)
          .with("account", session_.account()->address)
          .with("code", reply.code)
          .with("reply", reply.lines.front());
    }
    return session_.after(std::move(reply));
  }

  /// RFC 6409 §5.2: who misbehaves, and how; what was sent is not logged.
  void note_refused(const smtp::Reply& reply) const {
    services_.metrics.command_refused();
    if (!may_log()) return;
    log::Event line(log::Level::Info, "submission.command_refused");
    line.with("session_id", id_).with("client", stream_.peer().ip.text());
    if (session_.account()) line.with("account", session_.account()->address);
    line.with("code", reply.code).with("reply", reply.lines.front());
  }

  Client& client_;
  net::Stream& stream_;
  const Services& services_;
  const std::shared_ptr<const Options> options_;  // for the whole connection, whatever a reload changes
  const SessionId id_;
  ConnectionPolicy policy_;
  Session session_;
  const Mode mode_;
  const SteadyTime connected_ = in({});
  net::TlsInfo tls_;
  std::unique_ptr<Incoming> incoming_;
  Step first_step_;
};

}  // namespace

net::Task<> serve_connection(Client& client, Mode mode, const Services& services) {
  if (mode == Mode::Implicit && client.tls == nullptr) co_return;
  const auto connection = std::make_unique<Connection>(client, mode, services);
  co_await connection->run();
}

}  // namespace postern::submission
