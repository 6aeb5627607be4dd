// Laws: what is complete stays the same with more behind it, and no beginning of it is anything else than incomplete.
#include "net/proxy_header.h"

#include "fuzz.h"
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view octets = postern::fuzz::text(data, size);
  const auto parsed = postern::net::parse_proxy_header(octets);
  if (!parsed || !*parsed) return 0;
  const postern::net::ProxyHeader& header = **parsed;
  FUZZ_ASSERT(header.size <= octets.size() && header.size <= postern::net::kMaxProxyHeader);
  const auto longer = postern::net::parse_proxy_header(std::string(octets) + "\r\nEHLO x\r\n");
  FUZZ_ASSERT(longer && *longer && (*longer)->size == header.size && (*longer)->client == header.client);
  for (std::size_t length = 0; length < header.size; ++length) {
    const auto part = postern::net::parse_proxy_header(octets.substr(0, length));
    FUZZ_ASSERT(part && !*part);
  }
  return 0;
}
