#pragma once

#include "smtp/command.h"

#include <array>
#include <cstdint>

namespace postern::submission {

/// Where a session stands. Rcpt: at least one recipient was accepted. Chunks: so was a chunk, and it was not the last.
enum class Phase : std::uint8_t { Connected = 1, Greeted = 2, Mail = 4, Rcpt = 8, Chunks = 16 };

constexpr std::uint8_t operator|(Phase a, Phase b) {
  return static_cast<std::uint8_t>(static_cast<std::uint8_t>(a) | static_cast<std::uint8_t>(b));
}

/// When a verb is allowed: order (RFC 5321 §4.1.4), TLS first (RFC 3207 §4), AUTH first (RFC 6409 §4.3, RFC
/// 4954 §6).
struct Rule {
  smtp::Verb verb;
  std::uint8_t phases;  ///< bits of Phase
  bool needs_tls;
  bool needs_auth;
};

constexpr std::uint8_t kAnyPhase = 31;
inline constexpr std::array kRules{
    Rule{smtp::Verb::Ehlo, kAnyPhase, false, false},
    Rule{smtp::Verb::Helo, kAnyPhase, false, false},
    Rule{smtp::Verb::Noop, kAnyPhase, false, false},
    Rule{smtp::Verb::Quit, kAnyPhase, false, false},
    Rule{smtp::Verb::Rset, kAnyPhase, false, false},
    Rule{smtp::Verb::Help, kAnyPhase, false, false},
    // Also before EHLO: gsasl does so, Postfix bears it, and nothing from before survives anyway.
    Rule{smtp::Verb::StartTls, Phase::Connected | Phase::Greeted, false, false},
    Rule{smtp::Verb::Auth, static_cast<std::uint8_t>(Phase::Greeted), true, false},
    Rule{smtp::Verb::Vrfy, kAnyPhase, true, true},
    Rule{smtp::Verb::Mail, static_cast<std::uint8_t>(Phase::Greeted), true, true},
    Rule{smtp::Verb::Rcpt, Phase::Mail | Phase::Rcpt, true, true},
    Rule{smtp::Verb::Data, static_cast<std::uint8_t>(Phase::Rcpt), true, true},
    Rule{smtp::Verb::Bdat, Phase::Rcpt | Phase::Chunks, true, true},
    Rule{smtp::Verb::Expn, kAnyPhase, false, false},
    Rule{smtp::Verb::Etrn, kAnyPhase, false, false},
};

}  // namespace postern::submission
