// Laws: how a body is cut does not change its relaxed form; the relaxed form of a relaxed form is itself.
#include "dkim/canonical.h"

#include "fuzz.h"

namespace {

std::string relaxed(std::string_view body, std::size_t piece) {
  postern::dkim::RelaxedBody canonical;
  std::string out;
  for (std::size_t at = 0; at < body.size(); at += piece) canonical.feed(body.substr(at, piece), out);
  canonical.finish(out);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text = postern::fuzz::text(data, size).substr(1);
  const std::string whole = relaxed(text, size);
  FUZZ_ASSERT(relaxed(text, 1 + data[0] % 7U) == whole);
  FUZZ_ASSERT(relaxed(whole, size) == whole);
  const std::string field = postern::dkim::relaxed_field(text);
  FUZZ_ASSERT(postern::dkim::relaxed_field(field) == field);
  return 0;
}
