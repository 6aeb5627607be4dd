#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postern::delivery {

/// What a next hop offered in an EHLO reply (RFC 5321 §4.1.1.1). Default: nothing, as after HELO.
struct Extensions {
  bool pipelining = false;
  bool eight_bit_mime = false;
  bool smtputf8 = false;
  bool dsn = false;
  bool chunking = false;     ///< RFC 3030
  bool binary_mime = false;  ///< RFC 3030 §3; only with chunking
  bool starttls = false;
  bool auth_plain = false;
  bool auth_login = false;
  bool auth_scram = false;  ///< SCRAM-SHA-256
  bool size = false;
  std::uint64_t size_limit = 0;  ///< 0: no fixed limit (RFC 1870 §4)
};

/// `lines` are the texts of the reply's lines, the first being the greeting. Unknown keywords are ignored,
/// case does not matter, and "AUTH=LOGIN" of old servers is understood.
[[nodiscard]] Extensions parse_extensions(const std::vector<std::string>& lines);

}  // namespace postern::delivery
