# One set of warnings for every target. The two that guard correctness are errors everywhere.
add_library(postern_warnings INTERFACE)
target_compile_options(postern_warnings INTERFACE
  # An aggregate whose members have defaults may leave them out.
  -Wall -Wextra -Wno-missing-field-initializers -Wshadow -Wconversion -Wnon-virtual-dtor -Wold-style-cast -Wimplicit-fallthrough
  -Werror=unused-result -Werror=switch -Werror=return-type)
option(POSTERN_WERROR "Every warning is an error (the ci presets)" OFF)
if(POSTERN_WERROR)
  target_compile_options(postern_warnings INTERFACE -Werror)
endif()
