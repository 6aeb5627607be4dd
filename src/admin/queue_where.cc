#include "admin/queue_where.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <string>

namespace postern::admin {
namespace {

constexpr std::string_view kKeys = "id, account, sender, recipient, site, reason, state, older, scheduled";

struct Term {
  std::string_view key;
  std::string_view value;
};

/// Takes the first term off `where`, which does not begin with a space.
Result<Term> take_term(std::string_view& where) {
  const std::size_t equals = where.find('=');
  const std::size_t space = where.find(' ');
  if (equals == std::string_view::npos || equals == 0 || space < equals)
    return fail(Errc::Malformed, "--where: \"" + std::string(where.substr(0, space)) + "\" is not key=value");
  Term term{where.substr(0, equals), {}};
  where.remove_prefix(equals + 1);
  if (where.starts_with('"')) {
    const std::size_t end = where.find('"', 1);
    if (end == std::string_view::npos)
      return fail(Errc::Malformed,
                  "--where: a quotation mark after " + std::string(term.key) + "= is not closed");
    term.value = where.substr(1, end - 1);
    where.remove_prefix(end + 1);
    if (!where.empty() && !where.starts_with(' '))
      return fail(Errc::Malformed, "--where: a space belongs behind " + std::string(term.key) + "=\"...\"");
  } else {
    term.value = where.substr(0, where.find(' '));
    where.remove_prefix(term.value.size());
  }
  if (term.value.empty())
    return fail(Errc::Malformed, "--where: " + std::string(term.key) + "= has no value");
  return term;
}

Result<std::chrono::milliseconds> duration(std::string_view text) {
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const std::int64_t seconds = unit == "s"   ? 1
                               : unit == "m" ? 60
                               : unit == "h" ? 3600
                               : unit == "d" ? 86'400
                                             : 0;
  constexpr std::int64_t kMost = 100'000'000;  // more than mail gets old, and no overflow
  if (error != std::errc{} || seconds == 0 || count < 0 || count > kMost)
    return fail(Errc::Malformed,
                "--where: older=" + std::string(text) + " is no time; for example 90s, 15m, 2h, 3d");
  return std::chrono::seconds{count * seconds};
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

Result<> apply(queue::Filter& filter, const Term& term, TimePoint now) {
  const std::string value(term.value);
  if (term.key == "id") {
    const std::optional<std::int64_t> id = parse_id_text(value);
    if (!id) return fail(Errc::Malformed, "not a queue id: " + value);
    filter.id = QueueId{*id};
  } else if (term.key == "account") {
    filter.account = value;
  } else if (term.key == "sender") {
    filter.sender = value;
  } else if (term.key == "recipient") {
    filter.recipient = value;
  } else if (term.key == "site") {
    filter.site = lower(value);
  } else if (term.key == "reason") {
    filter.reason = value;
  } else if (term.key == "state") {
    if (value != "waiting" && value != "held")
      return fail(Errc::Malformed, "--where: state is waiting or held, not " + value);
    filter.state = value == "held" ? queue::RecipientState::Held : queue::RecipientState::Waiting;
  } else if (term.key == "older") {
    POSTERN_TRY(const std::chrono::milliseconds age, duration(term.value));
    filter.accepted_before = now - age;
  } else if (term.key == "scheduled") {
    if (value != "yes") return fail(Errc::Malformed, "--where: scheduled can only be yes, not " + value);
    filter.scheduled_after = now;
  } else {
    return fail(Errc::Malformed,
                "--where: no such key: " + std::string(term.key) + "; there are " + std::string(kKeys));
  }
  return {};
}

}  // namespace

Result<> narrow(queue::Filter& filter, std::string_view where, TimePoint now) {
  while (true) {
    while (where.starts_with(' ')) where.remove_prefix(1);
    if (where.empty()) return {};
    POSTERN_TRY(const Term term, take_term(where));
    POSTERN_CHECK(apply(filter, term, now));
  }
}

}  // namespace postern::admin
