#pragma once

#include "base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace postern::app {

/// What `postern setup` has to know. Texts, as they were typed and accepted.
struct Answers {
  std::string hostname;
  std::string domain;
  std::string certificate;  ///< a path, or "self-signed"
  std::string key;
  std::string delivery;  ///< "direct", "smarthost" or "sandbox"
  std::string smarthost_host;
  std::string smarthost_port;
  std::string smarthost_user;
  std::string smarthost_password;
  std::string account;
  std::string password;
  std::string postmaster;
  std::string data_dir = "/var/lib/postern";

  [[nodiscard]] bool self_signed() const { return certificate == "self-signed"; }
  [[nodiscard]] bool relays() const { return delivery == "smarthost"; }
};

/// One question: what it is called in answer files (with '_') and on the command line (with '-'), and what an
/// answer has to be. Pure, but for accept() of a certificate or key, which looks whether it can be used.
struct Question {
  const char* name;
  const char* text;  ///< for people
  std::string Answers::*answer;
  bool (*applies)(const Answers&);
  std::string (*fallback)(const Answers&);                ///< offered; "": there is none
  Result<> (*check)(const Answers&, const std::string&);  ///< the reason why it cannot be the answer
  bool secret = false;
};

/// The same in the form that is kept: paths absolute, as the service starts elsewhere; names in their ASCII form
/// (RFC 5890 §2.3.2.1), as DNS, certificates and the directory have them.
[[nodiscard]] Answers in_kept_form(Answers answers);

/// In the order in which they are asked: later fallbacks build on earlier answers.
[[nodiscard]] const std::vector<Question>& setup_questions();

/// Where setup puts what it makes.
struct SetupPaths {
  std::string config;  ///< .../postern.toml
  /// Beside the configuration.
  [[nodiscard]] std::string directory() const;
  [[nodiscard]] std::string certificate() const { return directory() + "/tls/fullchain.pem"; }
  [[nodiscard]] std::string key() const { return directory() + "/tls/key.pem"; }
  [[nodiscard]] std::string smarthost_password() const { return directory() + "/smarthost.password"; }
};

/// The configuration that the answers come to: what differs from the defaults, with a word about each part.
[[nodiscard]] std::string config_text(const Answers& answers, const SetupPaths& paths);

}  // namespace postern::app
