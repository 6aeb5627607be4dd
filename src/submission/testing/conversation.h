#pragma once

#include "submission/data_reader.h"
#include "submission/session.h"

#include <optional>
#include <string>
#include <string_view>

namespace postern::submission::testing {

/// Answers from a table: alice@example.org with password "correct horse" may log in, and send as herself.
struct FixedPolicy final : Policy {
  bool may_send_as(const accounts::Account& account, const smtp::Mailbox& path) override {
    return path.text() == account.address;
  }
  accounts::Standing standing(const accounts::Account& /*account*/) override { return now; }
  guard::Verdict check_limits(const accounts::Account& /*account*/) override {
    return most > 0 ? guard::Verdict::accept() : guard::Verdict::defer("recipient limit 5/1d reached");
  }
  guard::Verdict check_recipient(const accounts::Account& /*account*/, const smtp::Recipient& /*recipient*/,
                                 guard::Tally& tally) override {
    if (tally.recipients >= most) return guard::Verdict::defer("recipient limit 5/1d reached");
    ++tally.recipients;
    return guard::Verdict::accept();
  }
  bool refused_on_hold(const accounts::Account& /*account*/) override { return false; }
  sasl::Environment environment() override {
    sasl::Environment found{.tokens = true};
    found.find_secrets = [](std::string_view) {
      return sasl::ScramSecrets{"salt", 4096, {*sasl::derive_scram_keys("secret", "salt", 4096)}};
    };
    return found;
  }
  std::size_t most = 100'000;
  accounts::Standing now = accounts::Standing::Good;
};

/// A Session with everything around it but sockets: octets in, octets out, whatever way they are cut.
class Conversation {
 public:
  Conversation(const Options& options, Session::Tls tls);

  /// What the server answers to `wire`. The banner comes with the first call.
  std::string feed(std::string_view wire);
  /// The server waits for a TLS handshake; what had been sent in clear behind STARTTLS is gone.
  [[nodiscard]] bool wants_tls() const { return next_ == Next::StartTls; }
  void tls_up();
  [[nodiscard]] bool closed() const { return next_ == Next::Close; }
  [[nodiscard]] const Session& session() const { return session_; }
  /// How many messages were taken.
  [[nodiscard]] std::size_t taken() const { return taken_; }

 private:
  /// False: more octets are needed.
  [[nodiscard]] bool advance();
  [[nodiscard]] bool take_line();
  [[nodiscard]] bool take_content();
  [[nodiscard]] bool drop_chunk();
  void check_login();
  [[nodiscard]] std::optional<smtp::Reply> check_content() const;
  void follow(Step step);

  const Options options_;
  FakeClock clock_;
  FixedPolicy policy_;
  Session session_;
  std::string in_;
  std::string out_;
  bool skipping_line_ = false;
  bool in_chunk_ = false;
  Next next_ = Next::Read;
  std::optional<DataReader> reader_;
  std::optional<smtp::ChunkReader> dropping_;
  std::string content_;
  std::size_t taken_ = 0;
};

}  // namespace postern::submission::testing
