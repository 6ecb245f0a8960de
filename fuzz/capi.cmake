reelsense_fuzz(capi reelsense_core)
target_compile_definitions(capi_fuzz PRIVATE REELSENSE_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
