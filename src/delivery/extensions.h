#pragma once

#include <cstddef>
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
  bool chunking = false;      ///< RFC 3030
  bool mt_priority = false;   ///< RFC 6710
  bool require_tls = false;   ///< RFC 8689; believed in TLS only
  bool deliver_by = false;    ///< RFC 2852
  std::int64_t least_by = 0;  ///< seconds: a BY of mode R may not be less
  bool binary_mime = false;   ///< RFC 3030 §3; only with chunking
  bool starttls = false;
  bool auth_plain = false;
  bool auth_login = false;
  bool auth_scram = false;  ///< SCRAM-SHA-256
  bool auth_oauth_bearer = false;
  bool auth_xoauth2 = false;
  std::size_t most_recipients = 0;  ///< RCPTMAX of LIMITS (RFC 9422); 0: none
  std::size_t most_messages = 0;    ///< MAILMAX of LIMITS; 0: none
  std::size_t most_domains = 0;     ///< RCPTDOMAINMAX of LIMITS; 0: none
  bool size = false;
  std::uint64_t size_limit = 0;  ///< 0: no fixed limit (RFC 1870 §4)
};

/// `lines` are the texts of the reply's lines, the first being the greeting. Unknown keywords are ignored,
/// case does not matter, and "AUTH=LOGIN" of old servers is understood.
[[nodiscard]] Extensions parse_extensions(const std::vector<std::string>& lines);

}  // namespace postern::delivery
