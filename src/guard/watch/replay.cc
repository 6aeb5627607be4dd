#include "guard/watch/replay.h"

#include "smtp/address_grammar.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <unordered_set>

namespace postern::guard {
namespace {

constexpr std::string_view kHeader = "time\taccount\tip\trecipients\tresult";
constexpr std::size_t kFields = 5;
constexpr std::size_t kMostRecipients = 100'000;
constexpr std::size_t kShown = 60;  // octets of a bad value in an error

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, kShown)) out += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
  return out + (text.size() > kShown ? "...\"" : "\"");
}

Error malformed(std::string what) { return fail(Errc::Malformed, std::move(what)); }

Result<std::array<std::string_view, kFields>> split(std::string_view line) {
  std::array<std::string_view, kFields> fields;
  std::size_t count = 0;
  for (std::string_view rest = line;;) {
    const std::size_t tab = rest.find('\t');
    if (count < kFields) fields[count] = rest.substr(0, tab);
    ++count;
    if (tab == std::string_view::npos) break;
    rest.remove_prefix(tab + 1);
  }
  if (count != kFields)
    return malformed(
        fmt::format("{} fields instead of {} (time, account, ip, recipients, result)", count, kFields));
  return fields;
}

Result<std::int64_t> parse_time(std::string_view text) {
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
  // A fraction of a second is allowed, and means nothing here.
  const bool fraction =
      rest.size() > 1 && rest[0] == '.' && rest.find_first_not_of("0123456789", 1) == std::string_view::npos;
  constexpr std::int64_t kLatest = 253'402'300'799;  // the year 9999
  if (error != std::errc{} || !(rest.empty() || fraction) || seconds < 0 || seconds > kLatest)
    return malformed("time is not a number of seconds since 1970: " + quoted(text));
  return seconds;
}

/// The common form "user@host.example" without the grammar's rarer parts.
bool plain_address(std::string_view text) {
  static const auto kPlain = [] {
    std::array<bool, 256> plain{};
    for (const char c : std::string_view("abcdefghijklmnopqrstuvwxyz0123456789_-+"))
      plain[static_cast<unsigned char>(c)] = true;
    return plain;
  }();
  const std::size_t at = text.find('@');
  if (at == std::string_view::npos || at == 0 || at > smtp::kMaxLocalPart || text.size() - at - 1 > 255)
    return false;
  char before = '.';
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '.' || i == at) {
      if (before == '.' || before == '@' || (i > at && before == '-')) return false;
    } else if (!kPlain[static_cast<unsigned char>(c)] || (i > at && (c == '_' || c == '+')) ||
               (i == at + 1 && c == '-')) {
      return false;
    }
    before = c;
  }
  return before != '.' && before != '@' && before != '-';
}

Result<> parse_recipients(std::string_view text, std::vector<WatchedRecipient>& out) {
  out.clear();
  for (std::string_view rest = text;;) {
    std::size_t comma = rest.find(',');
    // A quoted local part may hold commas.
    if (!rest.empty() && rest[0] == '"') {
      std::size_t end = 1;
      while (end < rest.size() && rest[end] != '"') end += rest[end] == '\\' ? 2 : 1;
      comma = rest.find(',', std::min(end, rest.size()));
    }
    const std::string_view address = rest.substr(0, comma);
    if (!plain_address(address)) {
      const Result<smtp::Mailbox> mailbox = smtp::parse_mailbox(address);
      if (!mailbox || mailbox->domain.empty()) return malformed("not an address: " + quoted(address));
      std::string lower(address);
      std::transform(lower.begin(), lower.end(), lower.begin(),
                     [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
      out.push_back(WatchedRecipient::of(lower));
    } else {
      out.push_back(WatchedRecipient::of(address));
    }
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  if (out.size() > kMostRecipients) return malformed(fmt::format("more than {} recipients", kMostRecipients));
  return {};
}

// "bounced" says that one recipient at least does not exist. The server knows of each; a record of one row a message does
// not, and then one is taken.
/// Hash of the domain of all recipients; 0: they have several.
std::uint64_t one_domain(const ReplayEvent& event) {
  const std::uint64_t domain = event.recipients.front().domain;
  const bool one = std::ranges::all_of(event.recipients,
                                       [domain](const WatchedRecipient& to) { return to.domain == domain; });
  return one ? domain : 0;
}

/// The state of a whole replay.
class Replay {
 public:
  Replay(const ReplayOptions& options, const ReplaySinks& sinks) : options_(options), sinks_(sinks) {}

  void take(ReplayEvent& event) {
    ++summary_.events;
    summary_.recipients += event.recipients.size();
    Account& account = account_of(event.account);
    count_days(account, event.time);
    release_when_due(account, event.time);
    for (WatchedRecipient& to : event.recipients) {
      if (accounts_hashes_.contains(to.address))
        to.nearness = Nearness::Colleague;
      else if (to.domain == account.domain)
        to.nearness = Nearness::OwnDomain;
    }

    const Place place = event.ip ? Place::of(*event.ip) : Place{};
    const Judgement judged =
        Watch::judge(account.state, surroundings_, {event.time, place, event.recipients});
    act(account, event, judged);
    if (account.state.held()) {
      ++summary_.held_events;
      summary_.held_recipients += event.recipients.size();
      return;
    }
    act(account, event,
        Watch::delivered(account.state, surroundings_, event.time,
                         {static_cast<double>(event.recipients.size()), event.bounced ? 1.0 : 0.0,
                          judged.new_recipients > 0, one_domain(event)}));
  }

  ReplaySummary finish() {
    for (const auto& [name, account] : accounts_) {
      summary_.account_days += static_cast<double>(account.last - account.first) / 86400;
      summary_.held_accounts += account.was_held ? 1 : 0;
    }
    summary_.accounts = accounts_.size();
    return summary_;
  }

  void bad_line(std::uint64_t line, const std::string& what) {
    ++summary_.bad_lines;
    sinks_.bad_line(line, what);
  }

 private:
  struct Account {
    AccountState state;
    std::string name;
    std::uint64_t domain = 0;  ///< hash; 0: its name has none
    std::int64_t first = 0;
    std::int64_t last = 0;
    std::int64_t day = -1;
    bool was_held = false;
  };
  struct NameHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const { return std::hash<std::string_view>{}(name); }
  };
  struct Identity {
    std::size_t operator()(std::uint64_t hash) const { return hash; }
  };

  Account& account_of(std::string_view name) {
    if (const auto found = accounts_.find(name); found != accounts_.end()) return found->second;
    Account& account = accounts_[std::string(name)];
    account.name = name;
    if (const auto given = options_.classes.find(account.name); given != options_.classes.end())
      account.state.given = given->second;
    const WatchedRecipient itself = WatchedRecipient::of(name);
    if (name.find('@') != std::string_view::npos) account.domain = itself.domain;
    accounts_hashes_.insert(itself.address);
    return account;
  }

  void count_days(Account& account, std::int64_t time) {
    if (account.day < 0) account.first = time;
    if (time / 86400 != account.day) ++summary_.active_account_days;
    account.day = time / 86400;
    account.last = time;
  }

  void release_when_due(Account& account, std::int64_t time) const {
    if (!account.state.held() || !options_.release_after) return;
    const std::int64_t due = account.state.held_since + options_.release_after->count();
    if (time >= due) Watch::release(account.state, due);
  }

  void act(Account& account, const ReplayEvent& event, const Judgement& judged) {
    if (judged.action != Action::Hold && judged.action != Action::Warn) return;
    const bool hold = judged.action == Action::Hold;
    ++(hold ? summary_.holds : summary_.warnings);
    account.was_held = account.was_held || hold;
    sinks_.action({event.time, account.name, judged.action, judged.score, in_words(judged.evidences)});
  }

  const ReplayOptions& options_;
  const ReplaySinks& sinks_;
  std::unordered_map<std::string, Account, NameHash, std::equal_to<>> accounts_;
  std::unordered_set<std::uint64_t, Identity> accounts_hashes_;
  Surroundings surroundings_;
  ReplaySummary summary_;
};

void strip_line_end(std::string& line) {
  if (!line.empty() && line.back() == '\r') line.pop_back();
}

}  // namespace

Result<> parse_replay_line(std::string_view line, ReplayEvent& out) {
  POSTERN_TRY(const auto fields, split(line));
  POSTERN_TRY(out.time, parse_time(fields[0]));
  out.account = fields[1];
  if (out.account.empty() || out.account.find_first_of(" \v\f") != std::string_view::npos)
    return malformed("not an account: " + quoted(out.account));
  out.ip.reset();
  if (!fields[2].empty() && fields[2] != "-") {
    Result<net::IpAddress> ip = net::IpAddress::parse(fields[2]);
    if (!ip) return malformed("not an IP address: " + quoted(fields[2]));
    out.ip = *ip;
  }
  POSTERN_CHECK(parse_recipients(fields[3], out.recipients));
  if (fields[4] != "sent" && fields[4] != "bounced")
    return malformed("result is neither \"sent\" nor \"bounced\": " + quoted(fields[4]));
  out.bounced = fields[4] == "bounced";
  return {};
}

Result<ReplaySummary> replay(std::istream& in, const ReplayOptions& options, const ReplaySinks& sinks) {
  std::string line;
  if (!std::getline(in, line))
    return malformed("line 1: empty; a header line is expected: time, account, ip, recipients, result");
  strip_line_end(line);
  if (line != kHeader)
    return malformed("line 1: not the header \"time<TAB>account<TAB>ip<TAB>recipients<TAB>result\": " +
                     quoted(line));
  Replay replay(options, sinks);
  ReplayEvent event;
  std::int64_t clock = 0;
  for (std::uint64_t number = 2; std::getline(in, line); ++number) {
    strip_line_end(line);
    if (const Result<> parsed = parse_replay_line(line, event); !parsed) {
      replay.bad_line(number, parsed.error().detail);
    } else if (event.time < clock) {
      replay.bad_line(number, fmt::format("the clock jumps back from {} to {}", clock, event.time));
    } else {
      clock = event.time;
      replay.take(event);
    }
  }
  return replay.finish();
}

Result<SenderClasses> read_class_file(std::istream& in) {
  SenderClasses classes;
  std::string line;
  for (std::uint64_t number = 1; std::getline(in, line); ++number) {
    strip_line_end(line);
    if (line.empty() || line[0] == '#') continue;
    const std::size_t tab = line.find('\t');
    if (tab == std::string::npos || tab == 0)
      return malformed(fmt::format("line {}: not \"account<TAB>class\": {}", number, quoted(line)));
    const Result<SenderClass> kind = parse_sender_class(std::string_view(line).substr(tab + 1));
    if (!kind) {
      // A header line is welcome.
      if (number == 1 && line == "account\tclass") continue;
      return malformed(fmt::format("line {}: {}", number, kind.error().detail));
    }
    if (!classes.emplace(line.substr(0, tab), *kind).second)
      return malformed(fmt::format("line {}: {} is named twice", number, quoted(line.substr(0, tab))));
  }
  return classes;
}

Result<std::chrono::seconds> parse_duration(std::string_view text) {
  const auto wrong = [text] { return malformed("not a time such as 4h, 90m or 2d: " + quoted(text)); };
  if (text.size() < 2) return wrong();
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size() - 1, count);
  if (error != std::errc{} || end != text.data() + text.size() - 1 || count < 1 || count > 1'000'000)
    return wrong();
  switch (text.back()) {
    case 's':
      return std::chrono::seconds(count);
    case 'm':
      return std::chrono::minutes(count);
    case 'h':
      return std::chrono::hours(count);
    case 'd':
      return std::chrono::days(count);
    default:
      return wrong();
  }
}

}  // namespace postern::guard
