#pragma once

#include <span>
#include <string_view>

namespace postern::probe {

/// What can be wrong, each with its own exit code; the numbers never change, scripts depend on them.
enum class Failure {
  None = 0,
  Partial = 3,
  NoSuchName = 10,
  NoAddress = 11,
  DnsFailed = 12,
  DnssecBogus = 13,
  NoService = 14,
  Refused = 20,
  RefusedByFirewall = 21,
  Filtered = 22,
  Unreachable = 23,
  NoRoute = 24,
  DeniedHere = 25,
  Dropped = 26,
  NoBanner = 30,
  OtherProtocol = 31,
  WrongTlsMode = 32,
  ServiceRefused = 33,
  EhloRefused = 34,
  NoStartTls = 40,
  StartTlsStripped = 41,
  StartTlsRefused = 42,
  TlsFailed = 43,
  CertificateExpired = 44,
  CertificateName = 45,
  CertificateUntrusted = 46,
  Weak = 47,
  DaneMismatch = 48,
  MtaStsMismatch = 49,
  NoAuth = 50,
  ClearTextAuth = 51,
  LoginRefused = 52,
  OpenRelay = 53,
  MessageRefused = 54,
  PasswordNotSent = 55,
  TimedOut = 60,
};

struct FailureRow {
  Failure failure;
  std::string_view name;     ///< in JSON
  std::string_view meaning;  ///< one line for --help and the documentation
};
[[nodiscard]] std::span<const FailureRow> failures();
[[nodiscard]] std::string_view name_of(Failure failure);
[[nodiscard]] constexpr int exit_code(Failure failure) { return static_cast<int>(failure); }

}  // namespace postern::probe
