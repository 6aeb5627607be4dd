#include "submission/data_reader.h"

#include "submission/replies.h"

namespace postern::submission {
namespace {
constexpr std::size_t kMaxTextLine = 998;  // RFC 5322 §2.1.1
}

DataReader DataReader::after_data(std::uint64_t max_message) {
  return {max_message, Lines::Text, smtp::DotDecoder{}};
}

DataReader DataReader::for_chunks(std::uint64_t max_message, Lines lines) {
  return {max_message, lines, smtp::ChunkReader{0}};
}

std::size_t DataReader::feed(std::string_view wire, std::string& out) {
  const std::size_t before = out.size();
  std::size_t used = 0;
  if (auto* dots = std::get_if<smtp::DotDecoder>(&coding_)) {
    used = dots->feed(wire, out);
    nul_after_data_ = nul_after_data_ || out.find('\0', before) != std::string::npos;
  } else {
    const std::string_view mine = std::get<smtp::ChunkReader>(coding_).take(wire);
    used = mine.size();
    chunk_lines_.feed(mine);
    out += mine;
  }
  size_ += out.size() - before;
  if (refusal(false)) out.resize(before);
  return used;
}

bool DataReader::finished() const {
  return std::visit([](const auto& coding) { return coding.finished(); }, coding_);
}

bool DataReader::bare_line_end(bool complete) const {
  const auto* dots = std::get_if<smtp::DotDecoder>(&coding_);
  return dots != nullptr ? dots->saw_bare_line_end() : chunk_lines_.saw_bare_line_end(complete);
}

std::size_t DataReader::longest_line() const {
  const auto* dots = std::get_if<smtp::DotDecoder>(&coding_);
  return dots != nullptr ? dots->longest_line() : chunk_lines_.longest_line();
}

std::optional<smtp::Reply> DataReader::refusal(bool complete) const {
  if (lines_ == Lines::Text && bare_line_end(complete)) return replies::bare_line_end();
  if (size_ > max_message_) return replies::too_big(max_message_);  // RFC 1870 §6.3
  if (lines_ == Lines::Text && longest_line() > kMaxTextLine) return replies::line_too_long_in_data();
  if (lines_ == Lines::Text && saw_nul()) return replies::nul_in_data();
  return std::nullopt;
}

bool DataReader::is_binary() const {
  return lines_ == Lines::Binary &&
         (bare_line_end(true) || longest_line() > kMaxTextLine || chunk_lines_.saw_nul());
}

}  // namespace postern::submission
