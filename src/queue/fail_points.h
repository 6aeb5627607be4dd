#pragma once

namespace postern::queue {

/// A named place where a test may kill the process: POSTERN_FAIL_POINT=name or name:N (the Nth time) in the
/// environment makes it end there as by SIGKILL. Names: before_commit, after_commit, before_settle_commit,
/// after_settle_commit.
void fail_point(const char* name);

}  // namespace postern::queue
