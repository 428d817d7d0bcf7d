package subject

var binaryFixtures []fixture
