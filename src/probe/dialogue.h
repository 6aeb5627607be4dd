#pragma once

#include "probe/observation.h"
#include "probe/wire.h"

#include <string>
#include <string_view>
#include <vector>

namespace postern::probe {

/// Reads one SMTP reply; `lines`, if given, get its texts.
[[nodiscard]] Exchange read_reply(Wire& wire, SteadyTime deadline, std::vector<std::string>* lines = nullptr);

/// Sends one line and reads the reply. Never used with a secret in `command` outside login.h.
[[nodiscard]] Exchange ask(Wire& wire, std::string_view command, SteadyTime deadline,
                           std::vector<std::string>* lines = nullptr);

/// EHLO, or HELO where EHLO is refused (RFC 5321 §3.2).
[[nodiscard]] EhloSeen greet(Wire& wire, const std::string& name, SteadyTime deadline);

struct TestMessage {
  std::string from;
  std::string to;
  std::string host;  ///< the server, for the text
};
[[nodiscard]] MessageSeen send_message(Wire& wire, const TestMessage& message, SteadyTime deadline);

/// Would it take a message to a stranger without a login? Stops before DATA: nothing is ever sent.
[[nodiscard]] RelaySeen try_relay(Wire& wire, SteadyTime deadline);

}  // namespace postern::probe
