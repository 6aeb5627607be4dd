#include "scan/milter_packet.h"

#include <fmt/format.h>

#include "scan/edits.h"
#include <algorithm>

namespace postern::scan::milter {
namespace {

std::uint32_t number_at(std::string_view octets) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = (value << 8U) | static_cast<unsigned char>(octets[i]);
  return value;
}

/// The text up to its NUL, which is taken off as well.
std::optional<std::string> take_text(std::string_view& data) {
  const std::size_t end = data.find('\0');
  if (end == std::string_view::npos) return std::nullopt;
  std::string text(data.substr(0, end));
  data.remove_prefix(end + 1);
  return text;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Without "5.7.1 " at its beginning: the reply gets an enhanced code of ours.
std::string_view without_enhanced_code(std::string_view text) {
  const std::size_t end = text.find(' ');
  if (end == std::string_view::npos) return text;
  const std::string_view word = text.substr(0, end);
  const bool code = word.size() >= 5 && (word[0] == '4' || word[0] == '5') && word[1] == '.' &&
                    std::count(word.begin(), word.end(), '.') == 2 &&
                    std::all_of(word.begin(), word.end(), [](char c) { return c == '.' || is_digit(c); });
  return code ? text.substr(end + 1) : text;
}

/// 'y': "550 5.7.1 text", possibly of several lines "550-5.7.1 text".
Result<std::optional<Verdict>> read_reply(std::string_view data) {
  const std::string_view text = data.substr(0, data.find('\0'));
  const bool good =
      text.size() >= 3 && (text[0] == '4' || text[0] == '5') && is_digit(text[1]) && is_digit(text[2]);
  if (!good) return fail(Errc::Malformed, "a reply code that is none: " + one_printable_line(text, 40));
  Verdict verdict;
  verdict.decision = text[0] == '5' ? Verdict::Decision::Reject : Verdict::Decision::Defer;
  std::string said;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (line.size() <= 4) continue;
    said += (said.empty() ? "" : " ") + std::string(without_enhanced_code(line.substr(4)));
  }
  verdict.text = one_printable_line(said);
  return verdict;
}

}  // namespace

std::string number(std::uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8)
    out += static_cast<char>((value >> static_cast<unsigned>(shift)) & 255U);
  return out;
}

std::string wire(char command, std::string_view data) {
  std::string out = number(static_cast<std::uint32_t>(data.size() + 1));
  out += command;
  return out.append(data);
}

std::string texts(std::initializer_list<std::string_view> all) {
  std::string out;
  for (const std::string_view text : all) out.append(text).append(1, '\0');
  return out;
}

Result<std::optional<Packet>> take_packet(std::string& buffer) {
  if (buffer.size() < 4) return std::optional<Packet>();
  const std::uint32_t length = number_at(buffer);
  if (length == 0) return fail(Errc::Malformed, "an empty packet");
  if (length > kMaxPacket) return fail(Errc::Exhausted, fmt::format("a packet of {} octets", length));
  if (buffer.size() - 4 < length) return std::optional<Packet>();
  Packet packet{buffer[4], buffer.substr(5, length - 1)};
  buffer.erase(0, 4 + std::size_t{length});
  return std::optional<Packet>(std::move(packet));
}

Result<std::uint32_t> read_negotiation(const Packet& packet) {
  if (packet.command != 'O' || packet.data.size() < 12)
    return fail(Errc::Malformed, "no answer to our offer");
  const std::string_view data = packet.data;
  const std::uint32_t version = number_at(data);
  const std::uint32_t actions = number_at(data.substr(4));
  const std::uint32_t protocol = number_at(data.substr(8));
  if (version < 2 || version > kVersion) return fail(Errc::Denied, fmt::format("speaks version {}", version));
  if ((actions & ~kActions) != 0)
    return fail(Errc::Denied,
                fmt::format("wants to do what filters may not do here (actions {:#x})", actions));
  if ((protocol & ~std::uint32_t{kAllProtocol}) != 0)
    return fail(Errc::Denied, fmt::format("wants a protocol that we did not offer ({:#x})", protocol));
  return protocol;
}

Result<std::optional<Verdict>> read_decision(const Packet& packet) {
  Verdict verdict;
  switch (packet.command) {
    case 'a':
      return std::optional(verdict);
    case 'd':
      verdict.text = "the filter discards it";
      [[fallthrough]];
    case 'r':
      verdict.decision = Verdict::Decision::Reject;
      return std::optional(verdict);
    case 'q':
      verdict.decision = Verdict::Decision::Reject;
      verdict.text = one_printable_line("quarantined: " + packet.data.substr(0, packet.data.find('\0')));
      return std::optional(verdict);
    case 't':
      verdict.decision = Verdict::Decision::Defer;
      return std::optional(verdict);
    case 'y':
      return read_reply(packet.data);
    default:
      return std::optional<Verdict>();
  }
}

std::string_view forbidden(const Packet& packet) {
  switch (packet.command) {
    case 'b':
      return "replace the body";
    case '+':
    case '2':
      return "add a recipient";
    case '-':
      return "remove a recipient";
    case 'e':
      return "change the sender";
    default:
      return {};
  }
}

Result<std::optional<Edit>> read_edit(const Packet& packet) {
  if (packet.command != 'h' && packet.command != 'i' && packet.command != 'm') return std::optional<Edit>();
  Edit edit;
  std::string_view data = packet.data;
  edit.kind = packet.command == 'h'   ? Edit::Kind::Add
              : packet.command == 'i' ? Edit::Kind::Insert
                                      : Edit::Kind::Change;
  if (packet.command != 'h') {
    if (data.size() < 4) return fail(Errc::Malformed, "a change of the header is cut short");
    edit.index = number_at(data);
    data.remove_prefix(4);
  }
  std::optional<std::string> name = take_text(data);
  std::optional<std::string> value = take_text(data);
  if (!name || !value) return fail(Errc::Malformed, "a change of the header is cut short");
  edit.name = *std::move(name);
  edit.value = *std::move(value);
  return std::optional(std::move(edit));
}

}  // namespace postern::scan::milter
