#pragma once

#include <string_view>

/// The files of packaging/ that `postern setup` installs; their text is built in by cmake/embed.cmake.
namespace postern::app {

extern const std::string_view kServiceUnit;
extern const std::string_view kSubmissionSocketUnit;
extern const std::string_view kSubmissionsSocketUnit;
extern const std::string_view kSysusers;
extern const std::string_view kTmpfiles;
extern const std::string_view kCertbotHook;

}  // namespace postern::app
