#pragma once

#include "app/parts.h"
#include "app/signals.h"

namespace postern::app {

/// Ends what runs: listeners close, connections that wait for a command get 421, transactions with clients and
/// next hops go on to their end for at most 20 seconds, or until a second SIGTERM or SIGINT; the rest stays queued. Then
/// the loops end.
/// Threads  the main thread; afterwards no loop runs and `parts` may be destroyed.
void stop(Parts& parts, Signals& signals);

}  // namespace postern::app
