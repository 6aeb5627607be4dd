#include "submission/connection.h"

#include "base/log.h"
#include "smtp/ascii.h"
#include "smtp/dot_codec.h"
#include "submission/replies.h"
#include "submission/session.h"

namespace postern::submission {
namespace {

// RFC 5321 §4.5.3.1.4 with the allowances of the extensions we announce (RFC 3461 §5.4 asks for 1036 and
// more).
constexpr std::size_t kMaxCommand = 2048;
constexpr std::size_t kMaxResponse = 12288;  // RFC 4954 §4
constexpr std::size_t kMaxTextLine = 998;    // RFC 5322 §2.1.1
constexpr unsigned char kTlsHandshake = 22;  // the record type of a ClientHello (RFC 8446 §5.1)

class ConnectionPolicy final : public Policy {
 public:
  ConnectionPolicy(const Services& services, const net::Stream& stream)
      : services_(services), stream_(stream) {}
  bool may_send_as(const accounts::Account& account, const smtp::Mailbox& path) override {
    return services_.directory.may_send_as(account, {path.unquoted_local(), path.domain});
  }
  accounts::Standing standing(const accounts::Account& account) override {
    return services_.directory.standing(account);
  }
  guard::Verdict check_limits(const accounts::Account& account, std::size_t recipients) override {
    return services_.limits.check(account.budget, static_cast<std::size_t>(account.kind), recipients);
  }
  sasl::Environment environment() override { return services_.logins.environment(stream_); }

 private:
  const Services& services_;
  const net::Stream& stream_;
};

/// One client's conversation: reads lines, asks the session, writes what it says.
class Connection {
 public:
  Connection(Client& client, Mode mode, const Services& services)
      : client_(client),
        stream_(client.stream),
        services_(services),
        policy_(services, stream_),
        id_{make_id(services.clock.now().time_since_epoch().count())},
        session_(services.options, services.hostname, policy_,
                 mode == Mode::Implicit ? Session::Tls::Active : Session::Tls::None, services.tls != nullptr),
        mode_(mode) {}

  net::Task<> run() {
    const bool begun = co_await begin();
    if (!begun) co_return;
    Step step = first_step_;
    for (;;) {
      if (step.reply.code != 0) stream_.queue(step.reply.wire());
      if (step.next == Next::Close) break;
      if (step.next == Next::Read && client_.stopping) {
        stream_.queue(replies::shutting_down().wire());
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

  /// Up to the first step: TLS on 465, and those who came to the wrong port. False: there is no session.
  net::Task<bool> begin() {
    first_step_ = session_.greeting();
    if (mode_ == Mode::StartTls) stream_.queue(first_step_.reply.wire());
    client_.between_commands = true;
    const Result<unsigned char> first = co_await stream_.peek(in(
        mode_ == Mode::Implicit ? services_.options.handshake_timeout : services_.options.command_timeout));
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

  void wrong_port(const char* event, smtp::Reply reply) {
    log::Event(log::Level::Info, event).with("session_id", id_).with("client", stream_.peer().ip.text());
    first_step_ = Step{std::move(reply), Next::Close};
  }

  /// A wait ended without a command: because the client was too slow, or because we stop.
  [[nodiscard]] Step out_of_time() const {
    return {client_.stopping ? replies::shutting_down() : replies::timed_out(), Next::Close};
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
      Result<Step> step = co_await receive_message();
      co_return step;
    }
    Result<Step> step = co_await read_line(next == Next::ReadResponse);
    co_return step;
  }

  net::Task<Result<Step>> read_line(bool response) {
    client_.between_commands = true;
    const Result<std::string_view> line = co_await stream_.read_line(
        response ? kMaxResponse : kMaxCommandWithAuth, in(services_.options.command_timeout));
    client_.between_commands = false;
    if (line) {
      const bool auth = smtp::iequals(line->substr(0, 5), "AUTH ");
      if (!response && line->size() > kMaxCommand && !auth) co_return session_.on_line_too_long();
      co_return response ? session_.on_response(*line) : session_.on_line(*line);
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
    const Result<> done = co_await stream_.accept_tls(services_.tls, in(services_.options.handshake_timeout));
    if (!done) {
      log::Event(log::Level::Info, "submission.tls_failed")
          .with("session_id", id_)
          .with("client", stream_.peer().ip.text())
          .with("why", done.error().detail);
      co_return false;
    }
    tls_ = stream_.tls_info();
    co_return true;
  }

  net::Task<Result<Step>> start_tls() {
    const Result<> flushed = co_await stream_.flush(in(services_.options.command_timeout));
    if (!flushed) co_return flushed.error();
    const bool secured = co_await handshake();  // drops what was buffered in clear (RFC 3207 §4.2)
    if (!secured) co_return fail(Errc::Closed, "no TLS");
    session_.tls_started();
    co_return Step{{}, Next::Read};
  }

  net::Task<Step> check_login() {
    Logins::Client client{stream_.peer().ip, id_, tls_.cipher};
    Logins::Outcome outcome =
        co_await services_.logins.check(stream_.loop(), session_.claim(), std::move(client));
    if (auto* account = std::get_if<accounts::Account>(&outcome))
      co_return session_.logged_in(std::move(*account));
    switch (std::get<Logins::Refusal>(outcome)) {
      case Logins::Refusal::Wrong:
        co_return session_.login_refused(replies::bad_credentials());
      case Logins::Refusal::Locked:
        co_return session_.login_refused(replies::auth_locked());
      case Logins::Refusal::Unavailable:
        co_return session_.login_refused(replies::auth_unavailable());
    }
    co_return session_.login_failed(replies::bad_credentials());
  }

  net::Task<Result<Step>> receive_message() {
    intake::SubmissionFacts facts{*session_.account(), id_,         stream_.peer().ip, session_.helo(),
                                  session_.esmtp(),    tls_.cipher, tls_.group,        session_.envelope()};
    intake::IncomingMessage message(stream_.loop(), services_.intake, std::move(facts));
    smtp::DotDecoder decoder;
    std::string text;
    bool bad = false;
    while (!decoder.finished()) {
      const Result<std::string_view> wire = co_await stream_.read_some(in(services_.options.data_timeout));
      if (!wire) {
        // Nothing was promised: the draft is discarded with `message`.
        if (wire.error().code == Errc::Timeout) co_return Step{replies::timed_out(), Next::Close};
        co_return wire.error();
      }
      text.clear();
      stream_.consume(decoder.feed(*wire, text));
      bad = bad || decoder.saw_bare_line_end() || decoder.longest_line() > kMaxTextLine ||
            message.size() > services_.options.max_message.count;
      // What is refused anyway is read to its end and dropped.
      if (!bad) co_await message.feed(text);
    }
    session_.data_done();
    if (decoder.saw_bare_line_end()) co_return refuse(replies::bare_line_end());
    if (message.size() > services_.options.max_message.count)
      co_return refuse(replies::too_big(services_.options.max_message.count));
    if (decoder.longest_line() > kMaxTextLine) co_return refuse(replies::line_too_long_in_data());
    const intake::Accepted outcome = co_await message.finish();
    if (const auto* refusal = std::get_if<intake::Refusal>(&outcome))
      co_return refuse(replies::refused(*refusal));
    co_return Step{replies::accepted(std::get<queue::Receipt>(outcome)), Next::Read};
  }

  Step refuse(smtp::Reply reply) {
    log::Event(log::Level::Info, "submission.message_refused")
        .with("session_id", id_)
        .with("account", session_.account()->address)
        .with("code", reply.code)
        .with("reply", reply.lines.front());
    return session_.after(std::move(reply));
  }

  static constexpr std::size_t kMaxCommandWithAuth =
      kMaxResponse + 32;  // AUTH PLAIN with its initial response

  Client& client_;
  net::Stream& stream_;
  const Services& services_;
  ConnectionPolicy policy_;
  const SessionId id_;
  Session session_;
  const Mode mode_;
  net::TlsInfo tls_;
  Step first_step_;
};

}  // namespace

net::Task<> serve_connection(Client& client, Mode mode, const Services& services) {
  if (mode == Mode::Implicit && services.tls == nullptr) co_return;
  const auto connection = std::make_unique<Connection>(client, mode, services);
  co_await connection->run();
}

}  // namespace postern::submission
