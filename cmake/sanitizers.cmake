# POSTERN_SANITIZE applies to every target, so that no object is built without it.
if(POSTERN_SANITIZE)
  add_compile_options(-fsanitize=${POSTERN_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${POSTERN_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND POSTERN_SANITIZE MATCHES "undefined")
    # clang 14 cannot combine coroutines with the function sanitizer (llvm#49689).
    add_compile_options(-fno-sanitize=function)
  endif()
endif()
