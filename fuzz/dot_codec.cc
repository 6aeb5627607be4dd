// Law: how the network cuts the stream must not change what it means (else: smuggling).
#include "smtp/dot_codec.h"

#include "fuzz.h"
#include <string>
#include <tuple>

namespace {

// text, octets used, finished, bare line end seen
std::tuple<std::string, std::size_t, bool, bool> decode(std::string_view wire, std::size_t piece) {
  postern::smtp::DotDecoder decoder;
  std::string out;
  std::size_t used = 0;
  while (used < wire.size() && !decoder.finished()) used += decoder.feed(wire.substr(used, piece), out);
  return {out, used, decoder.finished(), decoder.saw_bare_line_end()};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view wire = postern::fuzz::text(data, size).substr(1);
  FUZZ_ASSERT(decode(wire, size) == decode(wire, 1 + data[0] % 7U));
  return 0;
}
