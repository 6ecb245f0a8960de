# Time of one row and of a batch of 256; inference_peers.py compares it with other engines.
find_package(benchmark REQUIRED)
add_executable(inference_bench inference_bench.cc)
target_link_libraries(inference_bench PRIVATE reelsense_flags reelsense_core benchmark::benchmark)
target_include_directories(inference_bench PRIVATE ${CMAKE_SOURCE_DIR}/core)
target_compile_definitions(inference_bench PRIVATE REELSENSE_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
