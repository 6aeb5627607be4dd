#include "delivery/expansion.h"

#include "smtp/ascii.h"

#include <algorithm>
#include <deque>
#include <set>
#include <utility>

namespace postern::delivery {
namespace {

std::string domain_of(std::string_view address) {
  return smtp::to_lower(address.substr(address.rfind('@') + 1));
}

queue::NewMessage message_to(const queue::Lease& lease, const smtp::Recipient& alias,
                             const std::vector<std::string>& members) {
  queue::NewMessage out;
  out.account = lease.account;
  out.account_name = lease.account_name;
  out.session = lease.session;
  out.envelope.reverse_path = lease.envelope.reverse_path;
  out.envelope.params = lease.envelope.params;
  out.envelope.params.handling.hold.reset();  // that time is over
  out.signing_domain = lease.signing_domain;
  out.accepted_at = lease.accepted_at;
  out.eight_bit = lease.eight_bit;
  out.smtputf8 = lease.smtputf8;
  out.binary = lease.binary;
  out.novelty = lease.novelty;
  for (const std::string& member : members) {
    out.envelope.recipients.push_back(
        {member, domain_of(member), notify_of_members(alias.notify, members.size()), alias.orcpt});
    out.smtputf8 = out.smtputf8 || smtp::has_eight_bit(member);
  }
  return out;
}

}  // namespace

std::vector<std::string> members_behind(const RouteTable& routes, std::string_view sender,
                                        std::string_view alias) {
  std::vector<std::string> members;
  std::set<std::string> met;
  std::deque<std::string> open{std::string(alias)};
  while (!open.empty() && members.size() < Expander::kMaxMembers) {
    const std::string address = std::move(open.front());
    open.pop_front();
    if (!met.insert(smtp::to_lower(address)).second) continue;
    const RouteChoice& choice = routes.choose(sender, address, domain_of(address));
    if (choice.action == RouteAction::Expand) {
      open.insert(open.end(), choice.members.begin(), choice.members.end());
    } else {
      members.push_back(address);
    }
  }
  return members;
}

smtp::Notify notify_of_members(smtp::Notify notify, std::size_t members) {
  if (members == 1 || (notify.bits & smtp::Notify::kSuccess) == 0) return notify;
  notify.bits = static_cast<std::uint8_t>(notify.bits & ~smtp::Notify::kSuccess);
  if (notify.absent()) notify.bits = smtp::Notify::kNever;  // it asked for nothing else
  return notify;
}

net::Task<Attempt> Expander::expand(const ActiveMessage& message, std::uint32_t position,
                                    const RouteChoice& choice, const RouteTable& routes) {
  const smtp::Recipient& alias = message.lease.envelope.recipients[position];
  const std::vector<std::string> members =
      members_behind(routes, message.lease.envelope.reverse_path, alias.address);
  Attempt attempt{local_outcome(Decision::Failed, "5.4.6", "route " + choice.name + " leads back to itself"),
                  nullptr};
  attempt.outcome.rule = "route " + choice.name;
  if (members.empty()) co_return attempt;
  const Result<QueueId> made = co_await hand_in(message, position, members);
  if (!made) {
    attempt.outcome = local_outcome(Decision::Retry, "4.3.0", made.error().detail);
    co_return attempt;
  }
  const std::string count = members.size() == 1 ? "1 address" : std::to_string(members.size()) + " addresses";
  attempt.outcome.decision = Decision::Done;
  attempt.outcome.status = "2.1.5";
  attempt.outcome.text = "sent on to " + count + " as " + to_string(*made);
  attempt.members = members.size();
  co_return attempt;
}

net::Task<Result<QueueId>> Expander::hand_in(const ActiveMessage& message, std::uint32_t position,
                                             std::vector<std::string> members) {
  const queue::Lease& lease = message.lease;
  const smtp::Recipient& alias = lease.envelope.recipients[position];
  queue::NewMessage made = message_to(lease, alias, members);
  made.id = QueueId{make_id(clock_.now().time_since_epoch().count())};
  const QueueId id = made.id;
  const std::unique_ptr<queue::Queue::Draft> draft = queue_.begin(loop_, id);
  if (message.content) POSTERN_CO_CHECK(co_await draft->append(*message.content));
  for (std::uint32_t number = 0; !message.content; ++number) {
    POSTERN_CO_TRY(const std::string piece, co_await queue_.read(loop_, lease.id, number));
    if (piece.empty()) break;
    POSTERN_CO_CHECK(co_await draft->append(piece));
  }
  POSTERN_CO_TRY(const queue::Receipt receipt, co_await draft->commit(std::move(made)));
  for (const std::string& member : members) {
    history_.record({.time = clock_.now(),
                     .id = id,
                     .kind = "expanded",
                     .account = lease.account_name,
                     .sender = lease.envelope.reverse_path,
                     .recipient = member,
                     .detail = "from " + alias.address + ", queue id " + to_string(lease.id)});
  }
  co_return receipt.id();
}

}  // namespace postern::delivery
