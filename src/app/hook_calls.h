#pragma once

#include "app/parts.h"

namespace postern::app {

/// The webhook that `options` name; nullptr: none. Errors: those of Webhook::create().
[[nodiscard]] Result<std::shared_ptr<admin::Webhook>> make_webhook(Parts& parts,
                                                                   const guard::WatchOptions& options);

/// Tells the webhook of an event, and repeats it with growing pauses until it is taken, also in the next process; after
/// three days it is given up, and logged. Nothing happens where none is configured.
/// Durable  when it returns, against the end of the process (watch.db).
/// Limits   WatchStore::kMostCalls events wait; what comes then is logged, and told of once.
void tell_webhook(Parts& parts, net::Loop& loop, std::string id, std::string body);

/// Goes on with what the last process did not get told. When the loops can run.
void resume_webhook_calls(Parts& parts, net::Loop& loop);

}  // namespace postern::app
