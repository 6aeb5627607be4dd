#pragma once

namespace postern::queue {

/// A named place where a test may kill the process: POSTERN_FAIL_POINT=name or name:N (the Nth time) in the
/// environment makes it end there as by SIGKILL. Names, each with before_ and after_ the commit: commit (a message is
/// handed in), piece_commit (a piece of a large one), report_commit (a report that the server makes), settle_commit
/// (what came of an attempt), signature_commit (the same, and the signature is kept).
void fail_point(const char* name);

}  // namespace postern::queue
