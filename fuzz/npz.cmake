find_package(ZLIB REQUIRED)
reelsense_fuzz(npz reelsense_ingest ZLIB::ZLIB)
target_include_directories(npz_fuzz PRIVATE ${CMAKE_SOURCE_DIR}/ingest)
