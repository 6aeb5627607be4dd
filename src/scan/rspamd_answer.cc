#include "scan/rspamd_answer.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "scan/edits.h"
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace postern::scan {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxEdits = 200;
constexpr std::size_t kShownSymbols = 5;

std::string_view text_of(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  const json::string* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string_view() : std::string_view(text->data(), text->size());
}

const json::object* object_of(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  return value == nullptr ? nullptr : value->if_object();
}

std::optional<double> number_of(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  boost::system::error_code error;
  const auto number = value->to_number<double>(error);
  if (error || !std::isfinite(number)) return std::nullopt;
  return number;
}

/// The symbols that weigh most, by name.
std::string symbols_of(const json::object& answer) {
  const json::object* symbols = object_of(answer, "symbols");
  if (symbols == nullptr) return {};
  std::vector<std::pair<double, std::string>> found;
  for (const auto& [name, value] : *symbols) {
    const json::object* symbol = value.if_object();
    const double weight = symbol == nullptr ? 0.0 : number_of(*symbol, "score").value_or(0.0);
    if (weight != 0.0)
      found.emplace_back(-std::abs(weight), one_printable_line({name.data(), name.size()}, 60));
  }
  std::sort(found.begin(), found.end());
  std::string out;
  for (std::size_t i = 0; i < std::min(found.size(), kShownSymbols); ++i)
    out += (out.empty() ? "" : ", ") + found[i].second;
  return out;
}

/// A value of add_headers: a text, {"value": text, "order": n}, or a list of them.
void add_field(const std::string& name, const json::value& value, std::vector<Edit>& edits) {
  if (const json::array* list = value.if_array()) {
    for (const json::value& one : *list) {
      if (!one.is_array()) add_field(name, one, edits);
    }
    return;
  }
  const json::string* text = value.if_string();
  const json::object* object = value.if_object();
  std::string_view said = text == nullptr ? std::string_view() : std::string_view(text->data(), text->size());
  if (object != nullptr) said = text_of(*object, "value");
  if (text != nullptr || object != nullptr) edits.push_back({Edit::Kind::Add, 0, name, std::string(said)});
}

/// A value of remove_headers: 0 for all of this name, n for the nth, -n for the nth from the end, or a list of these.
void remove_field(const std::string& name, const json::value& value, std::vector<Edit>& edits) {
  if (const json::array* list = value.if_array()) {
    for (const json::value& one : *list) {
      if (!one.is_array()) remove_field(name, one, edits);
    }
    return;
  }
  constexpr std::int64_t kMost = 10'000;
  const std::int64_t n = value.is_int64() ? std::clamp(value.as_int64(), -kMost, kMost) : 0;
  const auto kind = n < 0 ? Edit::Kind::RemoveFromEnd : Edit::Kind::Remove;
  edits.push_back({kind, static_cast<std::uint32_t>(std::abs(n)), name, ""});
}

std::vector<Edit> edits_of(const json::object& answer, std::string_view action) {
  std::vector<Edit> edits;
  if (const json::object* wanted = object_of(answer, "milter")) {
    if (const json::object* gone = object_of(*wanted, "remove_headers")) {
      for (const auto& [name, value] : *gone)
        remove_field(std::string(name.data(), name.size()), value, edits);
    }
    if (const json::object* added = object_of(*wanted, "add_headers")) {
      for (const auto& [name, value] : *added) add_field(std::string(name.data(), name.size()), value, edits);
    }
  }
  const std::string_view subject = text_of(answer, "subject");
  if (action == "rewrite subject" && !subject.empty())
    edits.push_back({Edit::Kind::Change, 1, "Subject", std::string(subject)});
  if (action == "add header" || action == "rewrite subject")
    edits.push_back({Edit::Kind::Add, 0, "X-Spam", "Yes"});
  return edits;
}

Result<Verdict::Decision> decision_of(std::string_view action) {
  using Decision = Verdict::Decision;
  if (action == "no action" || action == "greylist" || action == "add header" || action == "rewrite subject")
    return Decision::Accept;
  if (action == "soft reject") return Decision::Defer;
  if (action == "reject" || action == "discard" || action == "quarantine") return Decision::Reject;
  return fail(Errc::Malformed, "an action that is unknown: \"" + one_printable_line(action, 60) + '"');
}

}  // namespace

Result<Verdict> read_rspamd_answer(std::string_view text) {
  boost::system::error_code error;
  const json::value parsed = json::parse({text.data(), text.size()}, error);
  const json::object* answer = error ? nullptr : parsed.if_object();
  if (answer == nullptr) return fail(Errc::Malformed, "the answer is not a JSON object");
  if (const std::string_view why = text_of(*answer, "error"); !why.empty())
    return fail(Errc::Malformed, "it failed: " + one_printable_line(why));
  const std::string_view action = text_of(*answer, "action");
  Verdict verdict;
  POSTERN_TRY(verdict.decision, decision_of(action));
  verdict.score = number_of(*answer, "score");
  const double refused_at = number_of(*answer, "required_score").value_or(0);
  if (verdict.score && refused_at > 0) verdict.suspicion = std::clamp(*verdict.score / refused_at, 0.0, 1.0);
  if (const json::object* messages = object_of(*answer, "messages"))
    verdict.text = one_printable_line(text_of(*messages, "smtp_message"));
  verdict.edits = edits_of(*answer, action);
  if (verdict.edits.size() > kMaxEdits)
    return fail(Errc::Exhausted, "more changes of the header than we take");
  verdict.summary = action;
  if (verdict.score) {
    verdict.summary += fmt::format(", score {:.2f}", *verdict.score);
    if (const auto limit = number_of(*answer, "required_score"))
      verdict.summary += fmt::format(" of {:.2f}", *limit);
  }
  if (const std::string symbols = symbols_of(*answer); !symbols.empty())
    verdict.summary += " (" + symbols + ')';
  return verdict;
}

}  // namespace postern::scan
