#pragma once

#include "queue/queue_reader.h"
#include "queue/queue_tables.h"
#include "queue/sqlite_queue.h"
#include "store/gathering_vfs.h"

#include <functional>
#include <optional>

namespace postern::queue {

struct SqliteQueue::Files {
  std::unique_ptr<store::GatheringVfs> vfs;  // of the writer; outlives its database
  store::Database database;
  QueueTables tables;
  QueueReader reader;           // used on the reader thread only
  QueueReader operator_reader;  // used on the operators' thread only
};

/// One thing for the writer to do inside a group's transaction.
struct SqliteQueue::Request {
  bool urgent = true;
  std::function<Result<>(QueueTables&)> apply;
  std::function<void(Result<>)> done;
  std::optional<FreshMessage> fresh;  // handed on when the commit is durable
  const char* before = "before_commit";
  const char* after = "after_commit";
};

}  // namespace postern::queue
