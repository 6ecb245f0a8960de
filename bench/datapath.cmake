# The data path: the generated access-link capture, the limits that it is held against, and a window end to end.
# bench/README.md says what each measures; bench/datapath.py runs them.
add_library(reelsense_traffic STATIC ${CMAKE_CURRENT_LIST_DIR}/traffic.cc ${CMAKE_CURRENT_LIST_DIR}/frame.cc)
target_include_directories(reelsense_traffic PUBLIC ${CMAKE_CURRENT_LIST_DIR})
target_link_libraries(reelsense_traffic PUBLIC reelsense_core PRIVATE reelsense_flags)

add_executable(generate_access_link ${CMAKE_CURRENT_LIST_DIR}/generate_access_link.cc)
target_link_libraries(generate_access_link PRIVATE reelsense_traffic reelsense_flags)

find_package(PkgConfig REQUIRED)
pkg_check_modules(PCAP REQUIRED IMPORTED_TARGET libpcap)
add_executable(datapath_limits ${CMAKE_CURRENT_LIST_DIR}/limits.cc)
target_link_libraries(datapath_limits PRIVATE reelsense_core reelsense_flags PkgConfig::PCAP)

find_package(benchmark REQUIRED)
add_executable(window_bench ${CMAKE_CURRENT_LIST_DIR}/window_bench.cc)
target_link_libraries(window_bench PRIVATE reelsense_traffic reelsense_flags benchmark::benchmark)
target_compile_definitions(window_bench PRIVATE REELSENSE_SOURCE_DIR="${CMAKE_SOURCE_DIR}")

add_executable(measure_process ${CMAKE_CURRENT_LIST_DIR}/measure_process.cc)
target_link_libraries(measure_process PRIVATE reelsense_flags)
