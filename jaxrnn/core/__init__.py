"""What a layer and a cell are: parameters, carries, equations and what these read, one step."""
