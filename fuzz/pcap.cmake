reelsense_fuzz(pcap reelsense_ingest)
target_include_directories(pcap_fuzz PRIVATE ${CMAKE_SOURCE_DIR}/ingest)
