module lathe.dev/e2e/localcluster/pause

go 1.24.0
