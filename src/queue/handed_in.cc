#include "queue/handed_in.h"

#include "store/sqlite.h"

#include <algorithm>

namespace postern::queue {

bool parse_handed_in(std::string_view detail, HandedIn& out) {
  constexpr std::string_view kFrom = "from ";
  constexpr std::string_view kTo = " recipients: ";
  const std::size_t end = detail.find(", ");
  const std::size_t to = detail.find(kTo);
  if (!detail.starts_with(kFrom) || end == std::string_view::npos || to == std::string_view::npos || to < end)
    return false;
  out.client = detail.substr(kFrom.size(), end - kFrom.size());
  out.recipients = detail.substr(to + kTo.size());
  // A control character in a quoted local part would break the line it is written to.
  return !out.recipients.empty() &&
         std::ranges::none_of(out.recipients, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
}

Result<std::uint64_t> read_handed_in(const std::string& path,
                                     const std::function<void(const HandedIn&)>& take) {
  POSTERN_TRY(store::Database database, store::Database::open(path, store::Database::Sync::Normal));
  // RFC 3463 §3.2: 5.1.x: the address is wrong. The detail of a failure holds the next hop's reply.
  POSTERN_TRY(
      store::Statement query,
      database.prepare("SELECT e.time,e.account,e.detail,EXISTS(SELECT 1 FROM events f WHERE f.id=e.id AND "
                       "f.kind=?3 AND instr(f.detail,?4)>0) FROM events e WHERE e.kind IN (?1,?2) AND "
                       "length(e.account)>0 ORDER BY e.time,e.n"));
  query.bind(std::string_view("accepted"), std::string_view("refused on hold"), std::string_view("failed"),
             std::string_view(" 5.1."));
  std::uint64_t unusable = 0;
  for (;;) {
    POSTERN_TRY(const bool row, query.step());
    if (!row) return unusable;
    HandedIn message;
    message.time = TimePoint{std::chrono::milliseconds{query.integer(0)}};
    message.account = query.text(1);
    message.bounced = query.integer(3) != 0;
    if (parse_handed_in(query.text(2), message)) {
      take(message);
    } else {
      ++unusable;
    }
  }
}

}  // namespace postern::queue
