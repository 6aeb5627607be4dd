// Laws: a reply that was put together has a code of 200 to 599 and a line at least, and is put together again, as the
// same, from what we would write for it.
#include "smtp/reply.h"

#include "fuzz.h"
#include <algorithm>

using namespace postern::smtp;

namespace {

std::optional<Reply> parse(std::string_view wire) {
  ReplyParser parser;
  while (!wire.empty()) {
    const std::size_t end = std::min(wire.find("\r\n"), wire.size());
    const auto reply = parser.feed(wire.substr(0, end));
    if (reply && *reply) return **reply;
    wire.remove_prefix(std::min(end + 2, wire.size()));
  }
  return std::nullopt;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::optional<Reply> reply = parse(postern::fuzz::text(data, size));
  if (!reply) return 0;
  FUZZ_ASSERT(reply->code >= 200 && reply->code <= 599);
  FUZZ_ASSERT(!reply->lines.empty() && reply->lines.size() <= ReplyParser::kMaxLines);
  FUZZ_ASSERT(reply->enhanced.klass == 0 || reply->enhanced.klass == reply->code / 100);
  const std::optional<Reply> again = parse(reply->wire());
  FUZZ_ASSERT(again && again->code == reply->code && again->enhanced == reply->enhanced);
  return 0;
}
