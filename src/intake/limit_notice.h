#pragma once

#include "guard/limits.h"
#include "intake/pipeline.h"

#include <string>

namespace postern::intake {

/// The mail that tells an account's owner that a limit comes near; CRLF line ends.
[[nodiscard]] std::string limit_notice(const std::string& account, const guard::Allowance& near,
                                       const std::string& hostname, TimePoint now);

/// Puts it into the queue. What fails is logged: mail is not held up by a notice.
net::Task<> send_limit_notice(net::Loop& loop, const Services& services, std::string account,
                              guard::Allowance near);

}  // namespace postern::intake
