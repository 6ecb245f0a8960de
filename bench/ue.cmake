# The device tier as an app uses it: through the C ABI. bench/ue/run.py runs them beside their peers.
foreach(program latency score day)
  add_executable(ue_${program} ${CMAKE_CURRENT_SOURCE_DIR}/ue/ue_${program}.cc ${CMAKE_CURRENT_SOURCE_DIR}/ue/frames.cc)
  target_link_libraries(ue_${program} PRIVATE reelsense_flags reelsense_core)
endforeach()
