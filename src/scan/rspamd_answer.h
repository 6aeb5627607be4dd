#pragma once

#include "base/result.h"

#include "scan/verdict.h"
#include <string_view>

namespace postern::scan {

/// What the JSON answer of rspamd's /checkv2 means. Pure. Error: Malformed, also when rspamd says that it failed.
///
/// reject, discard and quarantine refuse; "soft reject" defers; greylisting is for strangers and means nothing for a
/// sender that has logged in. "add header" adds "X-Spam: Yes"; what its milter_headers module asks for is done.
[[nodiscard]] Result<Verdict> read_rspamd_answer(std::string_view json);

}  // namespace postern::scan
