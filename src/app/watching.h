#pragma once

#include "app/parts.h"

namespace postern::app {

/// The watch over stolen accounts, and what follows from a hold: the account's mail freezes, its sessions and cached
/// logins end, owner and operators are told. Before build_logins().
[[nodiscard]] Result<> build_watch(Parts& parts);

/// Brings book and queue to one opinion of who is held, after an end that came in between: held in one is held in
/// both. Before anything is accepted or sent.
[[nodiscard]] Result<> reconcile_holds(Parts& parts);

/// Tells of holds of which the last process told nobody. When the loops can run.
void start_watch(Parts& parts);

/// What next hops answered to a message of an account.
void note_answers(guard::WatchBook& book, const queue::Lease& lease,
                  std::span<const delivery::FinalAnswer> answers);

/// An operator released or forgave an account: the webhook is told.
void hold_ended(Parts& parts, const std::string& account, const std::string& kind);

}  // namespace postern::app
