# Warning and hardening flags, one place.
add_library(roost_flags INTERFACE)
target_compile_definitions(roost_flags INTERFACE _GNU_SOURCE)
target_include_directories(roost_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(roost_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes
    -Wmissing-prototypes -Wold-style-definition -Wpointer-arith -Wcast-qual -Wcast-align
    -Wwrite-strings -Wvla -Wformat=2 -Wundef -Wimplicit-fallthrough -Wnull-dereference
    -Wdouble-promotion -Werror=unused-function -fno-common -fstack-protector-strong
    -fstack-clash-protection -fno-omit-frame-pointer -g)
target_link_options(roost_flags INTERFACE -Wl,-z,relro,-z,now)
set(CMAKE_C_FLAGS_RELEASE "-O2")
set(CMAKE_C_FLAGS_DEBUG "-O1")
target_link_options(roost_flags INTERFACE $<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-pie>)

if(ROOST_WERROR)
    target_compile_options(roost_flags INTERFACE -Werror)
endif()
if(ROOST_SANITIZE)
    target_compile_options(roost_flags INTERFACE -fsanitize=${ROOST_SANITIZE} -fno-sanitize-recover=all)
    target_link_options(roost_flags INTERFACE -fsanitize=${ROOST_SANITIZE})
    target_compile_definitions(roost_flags INTERFACE ROOST_WIDE_SANDBOX=1)
else()
    target_compile_options(roost_flags INTERFACE $<$<CONFIG:Release>:-D_FORTIFY_SOURCE=2>)
endif()
if(ROOST_FUZZ)
    target_compile_options(roost_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(ROOST_COVER)
    target_compile_options(roost_flags INTERFACE --coverage)
    target_link_options(roost_flags INTERFACE --coverage)
    target_compile_definitions(roost_flags INTERFACE ROOST_WIDE_SANDBOX=1)
endif()
