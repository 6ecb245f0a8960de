module reelsense.dev/go

go 1.19
