find_package(ZLIB REQUIRED)
reelsense_fuzz(packet reelsense_core)
target_include_directories(packet_fuzz PRIVATE ${CMAKE_SOURCE_DIR}/core)

# Remakes the seed corpora of packet, pcap, pcapng and npz; not part of any build.
if(REELSENSE_TESTS)
  add_executable(packet_seeds EXCLUDE_FROM_ALL packet_seeds.cc)
  target_include_directories(packet_seeds PRIVATE ${CMAKE_SOURCE_DIR}/core ${CMAKE_SOURCE_DIR}/ingest)
  target_link_libraries(packet_seeds PRIVATE reelsense_flags reelsense_ingest ZLIB::ZLIB GTest::gtest)
endif()
