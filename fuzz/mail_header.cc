// Laws: reading and writing change nothing; adding a field and taking it away leaves the others as they were.
#include "mail/header.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view octets = postern::fuzz::text(data, size);
  auto header = postern::mail::Header::parse(octets);
  if (!header) return 0;
  FUZZ_ASSERT(header->octets() == octets);
  if (header->count("X-Added") > 0) return 0;
  header->prepend("X-Added: 1\r\n");
  header->append("x-added: 2\r\n");
  FUZZ_ASSERT(header->erase("X-ADDED") == 2);
  FUZZ_ASSERT(header->octets() == octets);
  return 0;
}
