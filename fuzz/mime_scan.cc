// Laws: how a body is cut does not change how deep its parts nest, and nothing nests deeper than there are delimiters.
#include "mail/mime_scan.h"

#include "fuzz.h"
#include <algorithm>

namespace {

constexpr std::size_t kMost = 20;

std::size_t deepest(std::string_view type, std::string_view body, std::size_t piece) {
  postern::mail::MimeScan scan(type, kMost);
  for (std::size_t at = 0; at < body.size(); at += piece) scan.feed(body.substr(at, piece));
  return scan.deepest();
}

}  // namespace

// The first octet says how to cut, the rest of the first line is the Content-Type.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text = postern::fuzz::text(data, size).substr(1);
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view type = text.substr(0, end);
  const std::string_view body = text.substr(std::min(end + 1, text.size()));
  const std::size_t whole = deepest(type, body, size);
  FUZZ_ASSERT(deepest(type, body, 1 + data[0] % 7U) == whole);
  FUZZ_ASSERT(whole <= kMost + 1 &&
              whole <= 2 + static_cast<std::size_t>(std::count(body.begin(), body.end(), '\n')));
  return 0;
}
