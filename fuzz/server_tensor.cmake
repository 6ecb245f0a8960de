if(TARGET server_http)
  reelsense_fuzz(server_tensor server_http)
endif()
