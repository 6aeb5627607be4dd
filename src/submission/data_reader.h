#pragma once

#include "smtp/bdat.h"
#include "smtp/dot_codec.h"
#include "smtp/reply.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace postern::submission {

/// Takes a message off the wire: dot-stuffed after DATA, counted after BDAT. Pure: octets in, content out.
///
/// What is refused is still read to its end; its content is not passed on any more.
class DataReader {
 public:
  /// Text (RFC 5321 §2.3.8, RFC 6152) or whatever octets there are (BODY=BINARYMIME, RFC 3030 §3).
  enum class Lines { Text, Binary };

  [[nodiscard]] static DataReader after_data(std::uint64_t max_message);
  [[nodiscard]] static DataReader for_chunks(std::uint64_t max_message, Lines lines);
  /// The next chunk of this message.
  void begin_chunk(std::uint64_t size) { coding_ = smtp::ChunkReader(size); }

  /// Appends content to `out`. Returns how many octets of `wire` were used: all of them unless finished().
  std::size_t feed(std::string_view wire, std::string& out);
  /// The data, or this chunk of it, is at its end.
  [[nodiscard]] bool finished() const;
  /// Why the content so far cannot be taken. `complete`: no more of it comes.
  [[nodiscard]] std::optional<smtp::Reply> refusal(bool complete) const;
  /// It is not text, so that the next hop has to know BINARYMIME.
  [[nodiscard]] bool is_binary() const;
  [[nodiscard]] std::uint64_t size() const { return size_; }

 private:
  using Coding = std::variant<smtp::DotDecoder, smtp::ChunkReader>;
  DataReader(std::uint64_t max_message, Lines lines, Coding coding)
      : max_message_(max_message), lines_(lines), coding_(coding) {}
  [[nodiscard]] bool bare_line_end(bool complete) const;
  [[nodiscard]] std::size_t longest_line() const;
  [[nodiscard]] bool saw_nul() const { return nul_after_data_ || chunk_lines_.saw_nul(); }

  std::uint64_t max_message_;
  Lines lines_;
  Coding coding_;
  smtp::LineCheck chunk_lines_;
  bool nul_after_data_ = false;
  std::uint64_t size_ = 0;
};

}  // namespace postern::submission
