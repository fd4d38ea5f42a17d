# How hb's targets are compiled, and the three functions that declare them.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

add_library(hb_flags INTERFACE)
target_include_directories(hb_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_definitions(hb_flags INTERFACE HB_VERSION="${PROJECT_VERSION}")
target_compile_options(hb_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough
  -fno-omit-frame-pointer
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>
  $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond -Wlogical-op>
  $<$<BOOL:${HB_WERROR}>:-Werror>)
if(HB_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "HB_FUZZ needs clang: use the preset \"fuzz\"")
  endif()
  # Coverage for libFuzzer in every library; what a fuzzer links to besides is in tests/fuzz/CMakeLists.txt.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(HB_SANITIZE)
  add_compile_options(-fsanitize=${HB_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${HB_SANITIZE})
else()
  target_compile_definitions(hb_flags INTERFACE $<$<NOT:$<CONFIG:Debug>>:_FORTIFY_SOURCE=2>)
  target_compile_options(hb_flags INTERFACE -fstack-protector-strong)
  target_link_options(hb_flags INTERFACE -Wl,-z,relro,-z,now)
endif()

# hb_library(NAME SOURCES ... [DEPS ...])
function(hb_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC ${ARG_DEPS} PRIVATE hb_flags)
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
endfunction()

# hb_binary(NAME SOURCES ... [DEPS ...])
function(hb_binary name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} hb_flags)
endfunction()

# hb_test(NAME SOURCES ... [DEPS ...] [LABELS ...] [TIMEOUT seconds] [SERIAL])
# One GoogleTest binary, one CTest test a TEST(). Without LABELS the label is "unit".
# SERIAL: the tests of this binary do not run beside each other (they still run beside other binaries' tests).
function(hb_test name)
  cmake_parse_arguments(ARG "SERIAL" "TIMEOUT" "SOURCES;DEPS;LABELS" ${ARGN})
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 60)
  endif()
  hb_binary(${name} SOURCES ${ARG_SOURCES} DEPS ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  set(properties LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT})
  if(ARG_SERIAL)
    list(APPEND properties RESOURCE_LOCK ${name})
  endif()
  gtest_discover_tests(${name} PROPERTIES ${properties} DISCOVERY_TIMEOUT 60)
endfunction()
