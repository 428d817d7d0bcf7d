package subject

var gptqFixtures []fixture
