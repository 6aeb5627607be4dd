#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "net/http_client.h"

#include "scan/message.h"
#include "scan/verdict.h"
#include <string>

namespace postern::scan {

/// One message through rspamd's /checkv2 at `url`, before `deadline`; the body goes out in pieces. `message` and
/// `http` are borrowed until the task ends.
/// Errors: those of HttpClient::fetch(); Unavailable: an answer other than 200; Malformed: see read_rspamd_answer().
net::Task<Result<Verdict>> ask_rspamd(net::Loop& loop, net::HttpClient& http, std::string url,
                                      const Message& message, SteadyTime deadline);

}  // namespace postern::scan
