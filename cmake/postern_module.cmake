# postern_module(NAME queue LAYER 4 SOURCES ... TESTS ... DEPENDS base store ... LIBRARIES PkgConfig::sqlite ...)
#
# One folder = one library = one layer. Configuring fails when a module DEPENDS on one that is not lower;
# tools/check_layers.py fails when a file includes a module that is not in DEPENDS.
# TESTS become one test binary, test_<name>; TEST_DEPENDS may name modules that only the tests use (lower layers too).
define_property(GLOBAL PROPERTY POSTERN_MODULES BRIEF_DOCS "modules" FULL_DOCS "names in the order added")

function(postern_module)
  cmake_parse_arguments(M "" "NAME;LAYER" "SOURCES;TESTS;DEPENDS;TEST_DEPENDS;LIBRARIES;TEST_LIBRARIES" ${ARGN})
  if(M_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "postern_module ${M_NAME}: unknown arguments ${M_UNPARSED_ARGUMENTS}")
  endif()
  set_property(GLOBAL PROPERTY POSTERN_LAYER_${M_NAME} ${M_LAYER})
  foreach(dep IN LISTS M_DEPENDS M_TEST_DEPENDS)
    get_property(dep_layer GLOBAL PROPERTY POSTERN_LAYER_${dep})
    if(NOT DEFINED dep_layer OR dep_layer STREQUAL "")
      message(FATAL_ERROR "module ${M_NAME} depends on ${dep}, which is not configured before it")
    endif()
    if(NOT dep_layer LESS M_LAYER)
      message(FATAL_ERROR "module ${M_NAME} (layer ${M_LAYER}) may not depend on ${dep} (layer ${dep_layer}): includes point down")
    endif()
  endforeach()

  set(target postern_${M_NAME})
  add_library(${target} STATIC ${M_SOURCES})
  target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  list(TRANSFORM M_DEPENDS PREPEND postern_)
  target_link_libraries(${target} PUBLIC ${M_DEPENDS} PRIVATE postern_warnings PUBLIC ${M_LIBRARIES} Threads::Threads)

  if(POSTERN_TESTS AND M_TESTS)
    add_executable(test_${M_NAME} ${M_TESTS})
    list(TRANSFORM M_TEST_DEPENDS PREPEND postern_)
    target_link_libraries(test_${M_NAME} PRIVATE ${target} ${M_TEST_DEPENDS} ${M_TEST_LIBRARIES} postern_warnings GTest::gtest GTest::gmock GTest::gtest_main)
    target_compile_definitions(test_${M_NAME} PRIVATE POSTERN_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    add_test(NAME unit.${M_NAME} COMMAND test_${M_NAME} --gtest_brief=1)
    set_tests_properties(unit.${M_NAME} PROPERTIES LABELS unit TIMEOUT 300)
  endif()
endfunction()
