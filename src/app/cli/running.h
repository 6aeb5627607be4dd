#pragma once

#include "config/config.h"
#include "net/loop.h"
#include "queue/queue.h"
#include "queue/sqlite_queue.h"
#include "store/file_lock.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace postern::app::cli {

/// The running server's answer, or, when none runs, what `offline` makes of the files.
[[nodiscard]] Result<boost::json::value> ask_or(const config::Config& config,
                                                const boost::json::object& request,
                                                const std::function<Result<boost::json::value>()>& offline);

[[nodiscard]] std::string queue_path(const config::Config& config);
/// Whether a server has ever run here. Until then there is nothing to list, and no file should be made by looking.
[[nodiscard]] bool has_queue(const config::Config& config);

/// The queue of a server that does not run, and a loop to use it on.
struct Offline {
  SystemClock clock;
  net::Loop loop;
  std::optional<store::FileLock> lock;
  std::unique_ptr<queue::SqliteQueue> queue;

  /// Errors: Unavailable: a server is just starting or ending. NotFound: none has ever run here.
  [[nodiscard]] Result<> open(const config::Config& config);
};

}  // namespace postern::app::cli
