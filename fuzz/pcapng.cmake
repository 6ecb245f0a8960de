reelsense_fuzz(pcapng reelsense_ingest)
target_include_directories(pcapng_fuzz PRIVATE ${CMAKE_SOURCE_DIR}/ingest)
