// Chunks of a message (RFC 3030 §2). Laws: how the network cuts the stream changes neither what is content nor what is said
// of it; what a chunk holds is never a command; lines are judged as their definition says, and as those after DATA are.
#include "smtp/bdat.h"
#include "smtp/command.h"
#include "smtp/dot_codec.h"

#include "fuzz.h"
#include <algorithm>
#include <string>

using namespace postern::smtp;

namespace {

struct Outcome {
  std::string content;
  std::string verbs;  // of the commands between the chunks
  bool bare = false;
  bool bare_at_end = false;
  bool nul = false;
  std::size_t longest = 0;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

/// Lines are commands, and BDAT says how many octets behind it are content, until LAST.
class Receiver {
 public:
  void feed(std::string_view wire) {
    while (!wire.empty() && !(ended_ && chunk_.finished())) {
      if (chunk_.finished()) {
        take_line(wire);
        continue;
      }
      const std::string_view mine = chunk_.take(wire);
      wire.remove_prefix(mine.size());
      check_.feed(mine);
      out_.content += mine;
    }
  }
  Outcome outcome() {
    out_.bare = check_.saw_bare_line_end(false);
    out_.bare_at_end = check_.saw_bare_line_end(true);
    out_.nul = check_.saw_nul();
    out_.longest = check_.longest_line();
    return out_;
  }

 private:
  void take_line(std::string_view& wire) {
    line_ += wire.front();
    wire.remove_prefix(1);
    if (!line_.ends_with("\r\n")) return;
    const ParsedCommand parsed = parse_command(std::string_view(line_).substr(0, line_.size() - 2));
    line_.clear();
    out_.verbs += std::string(to_string(parsed.verb)) + ' ';
    const Bdat* bdat = parsed.command ? std::get_if<Bdat>(&*parsed.command) : nullptr;
    if (bdat == nullptr) return;
    chunk_ = ChunkReader(bdat->size);
    ended_ = bdat->last;
  }

  Outcome out_;
  std::string line_;
  ChunkReader chunk_{0};
  LineCheck check_;
  bool ended_ = false;
};

Outcome receive(std::string_view wire, std::size_t piece) {
  Receiver receiver;
  for (std::size_t at = 0; at < wire.size(); at += piece) receiver.feed(wire.substr(at, piece));
  return receiver.outcome();
}

/// RFC 5321 §2.3.8, octet by octet.
void check_lines(const Outcome& got) {
  const std::string& text = got.content;
  bool bare = false;
  std::size_t line = 0;
  std::size_t longest = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool last = i + 1 == text.size();
    if (text[i] == '\r' && !last && text[i + 1] == '\n') {
      line = 0;
      ++i;
      continue;
    }
    if (text[i] == '\r' && last) break;
    bare = bare || text[i] == '\r' || text[i] == '\n';
    longest = std::max(longest, ++line);
  }
  FUZZ_ASSERT(got.bare == bare);
  FUZZ_ASSERT(got.bare_at_end == (bare || text.ends_with('\r')));
  FUZZ_ASSERT(got.longest == longest);
  FUZZ_ASSERT(got.nul == (text.find('\0') != std::string::npos));
}

/// The same content, dot-stuffed, comes through DATA as it is.
void check_stuffed(const Outcome& got) {
  if (got.bare_at_end) return;
  std::string wire;
  DotEncoder encoder;
  encoder.feed(got.content, wire);
  encoder.finish(wire);
  std::string out;
  DotDecoder decoder;
  FUZZ_ASSERT(decoder.feed(wire, out) == wire.size() && decoder.finished());
  const bool whole = got.content.empty() || got.content.ends_with("\r\n");
  FUZZ_ASSERT(out == got.content + (whole ? "" : "\r\n"));
  FUZZ_ASSERT(!decoder.saw_bare_line_end() && decoder.longest_line() == got.longest);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view wire = postern::fuzz::text(data, size).substr(1);
  const Outcome whole = receive(wire, size);
  FUZZ_ASSERT(receive(wire, 1 + data[0] % 7U) == whole);
  check_lines(whole);
  check_stuffed(whole);
  return 0;
}
